import type { AttemptRef, ListPage, MessageStatus, NewMessage, QueueKey, StoredMessage } from './message-store.ts';
import type { QuotaLimits } from './quota-store.ts';

/**
 * Where the records of broadcasts live. Types only, like message-store.ts, and held to by the same conformance suite: each verb is
 * atomic and durable when its promise resolves.
 */

export type BroadcastStatus = 'recording' | 'running' | 'paused' | 'cancelled' | 'done';

/**
 * `service`: it was refused as a whole. What the service holds for as long as something lasts stays `running` in the store.
 */
export type PausedBy = 'caller' | 'operator' | 'service';

/** Who steers a broadcast; its caller where nothing is said. */
export interface StatusChange {
  by: PausedBy;
  reason?: string;
}

/** A broadcast that came to its end. */
export type EndedBroadcast = Pick<StoredBroadcast, 'id' | 'caller'>;

/** A broadcast to be recorded; its recipients are sends with its id. */
export interface NewBroadcast {
  id: string;
  caller: string;
  template: string;
  name: string;
  connectionId: string;
  /** The company's own number that all of it goes through, where one is known. */
  channel?: string;
  idempotency: { route: string; key: string };
}

/** A broadcast as it stands. Times are ISO 8601 UTC of the wall clock, for people. */
export interface StoredBroadcast extends Omit<NewBroadcast, 'idempotency'> {
  /** Absent once the key is free again. */
  idempotency?: { route: string; key: string };
  /** Never `recording` in what find and list answer. */
  status: BroadcastStatus;
  /** Absent while it is recording, and once the key is free again; as those of a send. */
  contentMac?: string;
  fingerprint?: string;
  /** Who paused it, and why in their words; only while it is `paused`. */
  pausedBy?: PausedBy;
  pauseReason?: string;
  /** How many recipients it has had from the start; `counts` adds up to it, also when their records are deleted by age. */
  total: number;
  /** Of a cancelled one, what is still `queued` counts as `cancelled`. */
  counts: Record<MessageStatus, number>;
  createdAt: string;
  /** When its own state last changed; `counts` go on without it. */
  updatedAt: string;
  finishedAt?: string;
}

export interface BroadcastStore {
  /**
   * Opens one that nobody sees yet. Inserts first. `known`: this caller, route and key opened one before, which may still be
   * recording.
   */
  openBroadcast(broadcast: NewBroadcast): Promise<{ opened: true } | { existing: StoredBroadcast }>;

  /**
   * Adds recipients, in the order of the call, to an open one. All are recorded, or none. They belong to its caller, were
   * created when it was, and have no keys of their own; until it is released they are invisible to every other verb.
   * False: it is not open any more, or not this process's.
   */
  addRecipients(id: string, sends: readonly NewMessage[]): Promise<boolean>;

  /**
   * Publishes all recipients at once: `recording` -> `running`. From now on every recipient is a queued message of its caller, which no one
   * process owns: any begins it, by `claimBatch` alone. Undefined: it is not open any more, or not this process's.
   * `quota`: only if all of its recipients fit; throws QuotaExceededError.
   * A failure may hide a release that was done: after `discardBroadcast` it is either gone or running, and its key says which.
   */
  publishBroadcast(
    id: string,
    fingerprint: string,
    quota?: { caller: string; n: number; limits: QuotaLimits },
  ): Promise<StoredBroadcast | undefined>;

  /** Takes an open one out again. Its key is free at once; its rows go in small batches, by `sweepBroadcasts`. */
  discardBroadcast(id: string): Promise<void>;

  /** A broadcast of this caller; another's does not exist for it, nor one that is recording. */
  findBroadcast(caller: string, id: string): Promise<StoredBroadcast | undefined>;
  /** What this caller and route opened under this key, also while it is recording. */
  findBroadcastByKey(caller: string, route: string, key: string): Promise<StoredBroadcast | undefined>;
  /**
   * Of its rejected recipients, how many for each reason: the failure's code. Whose it is, `findBroadcast` has said. As cheap,
   * however many recipients it has; like the counts, they stay when those are deleted.
   */
  countRejections(id: string): Promise<Readonly<Record<string, number>>>;
  /** Newest first. A cursor that this list did not answer for this caller throws RangeError. */
  listBroadcasts(caller: string, page: ListPage): Promise<{ broadcasts: StoredBroadcast[]; next?: string }>;

  /**
   * Pause: `running` -> `paused`; resume: `paused` -> `running`; cancel: `running` or `paused` -> `cancelled`. Answers it as it
   * stands then, unchanged where there is no such arrow. What an operator paused only an operator resumes; an operator's pause
   * takes the place of any other. Undefined: not this caller's.
   */
  changeBroadcastStatus(
    caller: string,
    id: string,
    to: 'paused' | 'running' | 'cancelled',
    how?: StatusChange,
  ): Promise<StoredBroadcast | undefined>;

  /** How many are paused by the service. Costs no more than the broadcasts that have not ended. */
  countPausedByService(): Promise<number>;

  /** The lanes of which broadcasts are running. Costs a step for each lane, however many broadcasts are in it. */
  listRunningQueues(): Promise<QueueKey[]>;

  /** Running ones with something queued, oldest first, of one lane or of all callers. Cheap: every replica asks every second. */
  listRunningBroadcasts(
    limit: number,
    lane?: QueueKey,
  ): Promise<{ id: string; caller: string; connectionId: string; template: string; name: string; channel?: string }[]>;

  /**
   * Claims a batch: takes the oldest `limit` queued recipients of a running broadcast for this process; `queued` ->
   * `sending`, attempts + 1, sentAt. What was retreated from is queued again and taken again, by whichever process comes first.
   * Empty: none is left, or it is paused or cancelled, or the lease of this process has run out. A steer that has answered
   * comes before or after a claim, never in between: nothing is claimed after a pause or a cancel was answered.
   */
  claimBatch(id: string, limit: number): Promise<StoredMessage[]>;

  /** What this process has claimed of it and neither ended nor put back, also by a claim whose answer was lost. */
  listClaimed(id: string): Promise<AttemptRef[]>;

  /**
   * What is left to do, at most `limit` rows of it: deletes what was discarded, or left open by processes that are dead;
   * turns what is queued of a cancelled one into `cancelled`; ends (finishedAt) what has nothing queued or sending any more:
   * `running` and `paused` become `done`, `cancelled` stays. Answers how many rows it touched: 0 when nothing is left to do.
   * `ended` is told of each that this sweep ended.
   */
  sweepBroadcasts(limit: number, ended?: (broadcast: EndedBroadcast) => void): Promise<number>;
}
