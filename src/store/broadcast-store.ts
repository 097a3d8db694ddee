import type {
  AttemptRef,
  ListPage,
  MessageStatus,
  NewMessage,
  QueueKey,
  Schedule,
  StoredMessage,
} from './message-store.ts';
import type { QuotaLimits } from './quota-store.ts';

/** Records of broadcasts. Like message-store.ts: types only, and each operation is atomic and durable. */

/** `scheduled`: it waits for its `sendAt`, and none of its recipients is claimed. */
export type BroadcastStatus = 'recording' | 'scheduled' | 'running' | 'paused' | 'cancelled' | 'done';

/**
 * `service`: the upstream refused it as a whole. A temporary hold by the service (a removed caller, an open circuit) leaves the
 * broadcast `running`.
 */
export type PausedBy = 'caller' | 'operator' | 'service';

export interface StatusChange {
  to: 'paused' | 'running' | 'cancelled';
  /** `caller` if absent. */
  by?: PausedBy;
  reason?: string;
}

export type EndedBroadcast = Pick<StoredBroadcast, 'id' | 'caller'>;

/** A broadcast to record. Its recipients are messages with its id and its schedule. */
export interface NewBroadcast extends Schedule {
  id: string;
  caller: string;
  template: string;
  name: string;
  connectionId: string;
  /** The company's number that all of its messages go through, if known. */
  channel?: string;
  /** The caller's own name for it. */
  reference?: string;
  /** Maximum number of recipients per minute. */
  perMinute?: number;
  /** Id of the broadcast of which this one is a resend. */
  resendOf?: string;
  /** `find` and `list` return it while it is recording. */
  shownEarly?: boolean;
  idempotency: { route: string; key: string };
}

/** A broadcast as recorded. Times are ISO 8601 UTC of the wall clock, for people. */
export interface StoredBroadcast extends Omit<NewBroadcast, 'idempotency' | 'shownEarly'> {
  /** Absent once the key is released. */
  idempotency?: { route: string; key: string };
  /** `find` and `list` return one that is `recording` only if it is `shownEarly`. */
  status: BroadcastStatus;
  /** Absent while it is recording, and once the key is released. See StoredMessage. */
  contentMac?: string;
  fingerprint?: string;
  /** Only while it is `paused`. */
  pausedBy?: PausedBy;
  pauseReason?: string;
  /** The number of recipients. `counts` adds up to it, also after their records are deleted by age. */
  total: number;
  /** What is still `queued` of a cancelled broadcast counts as `cancelled`. */
  counts: Record<MessageStatus, number>;
  createdAt: string;
  /** Of a resend: the number of recipients of the original in the chosen states that are not part of it. */
  leftOut?: number;
  /** When its status or one of its counts last changed. */
  updatedAt: string;
  finishedAt?: string;
}

export type RunningBroadcast = Pick<
  NewBroadcast,
  'id' | 'caller' | 'connectionId' | 'template' | 'name' | 'channel' | 'perMinute'
>;

export interface BroadcastRecording {
  /**
   * Creates a broadcast that is not visible to other operations yet, unless it is `shownEarly`. Inserts first and reads only on
   * conflict. `existing`: the broadcast that the same caller, route and key created before, which may still be recording.
   */
  openBroadcast(broadcast: NewBroadcast): Promise<{ opened: true } | { existing: StoredBroadcast }>;

  /**
   * Adds recipients, in this order, to a broadcast that is recording; all or none. They get its caller and its creation time,
   * have no keys of their own, and are invisible until it is published. All have the same kind, connection, template and channel. False: it is not recording any more, or belongs to
   * another process.
   */
  addRecipients(id: string, messages: readonly NewMessage[]): Promise<boolean>;

  /**
   * Adds messages that are resends of others (`resendOf`). Skips originals that were already resent, or whose status is no longer
   * `unknown`, `not_sent` or `rejected`. Returns how many were added; undefined where `addRecipients` returns false.
   */
  addResends(id: string, messages: readonly NewMessage[]): Promise<number | undefined>;

  /**
   * Publishes all recipients at once: `recording` -> `running`, or `scheduled` if its `sendAt` is in the future. From now on each
   * recipient is a queued message without an owner, which only `claimBatch` claims. Undefined: it is no longer recording, or
   * belongs to another process. With `quota`, publishes
   * only if all recipients fit; throws QuotaExceededError. After a failure in doubt, `discardBroadcast` leaves it either
   * deleted or running, and its key tells which. `leftOut`: see StoredBroadcast.
   */
  publishBroadcast(
    id: string,
    fingerprint: string,
    terms?: { quota?: { caller: string; n: number; limits: QuotaLimits }; leftOut?: number },
  ): Promise<StoredBroadcast | undefined>;

  /** Deletes a broadcast that is recording. Releases its key at once; `sweepBroadcasts` deletes its rows in batches. */
  discardBroadcast(id: string): Promise<void>;

  /** The broadcast that this caller and route created under this key, also while it is recording. */
  findBroadcastByKey(caller: string, route: string, key: string): Promise<StoredBroadcast | undefined>;
}

export interface BroadcastReads {
  /** Finds broadcasts of this caller only. */
  findBroadcast(caller: string, id: string): Promise<StoredBroadcast | undefined>;
  /**
   * The number of rejected recipients by failure code. The caller is not checked. Kept like the counts when recipients are
   * deleted, and as cheap for a million recipients.
   */
  countRejections(id: string): Promise<Readonly<Record<string, number>>>;
  /** Newest first. Throws RangeError for a cursor that this list did not return to this caller. */
  listBroadcasts(caller: string, page: ListPage): Promise<{ broadcasts: StoredBroadcast[]; next?: string }>;

  /** How many broadcasts the service has paused, counted up to 10,000. Reads only broadcasts that have not ended. */
  countPausedByService(): Promise<number>;

  /** The queues with running broadcasts. One index lookup per queue. */
  listRunningQueues(): Promise<QueueKey[]>;

  /** Running broadcasts with queued recipients, oldest first, of one queue or of all. Cheap, because each replica calls it every second. */
  listRunningBroadcasts(limit: number, queue?: QueueKey): Promise<RunningBroadcast[]>;
}

/** The fields of a recipient that a report contains. */
export type ReportedRecipient = Pick<
  StoredMessage,
  'id' | 'to' | 'status' | 'failure' | 'delivery' | 'reference' | 'resendOf' | 'sentAt' | 'updatedAt'
>;

/** The states from which a recipient may be resent. */
export type ResendableStatus = Extract<MessageStatus, 'not_sent' | 'rejected' | 'unknown'>;

export interface BroadcastRecipients {
  /**
   * Returns a page of the recipients of a broadcast in the order in which they were recorded: those behind the number `after`, 0 at
   * first. Each recipient is in exactly one page, even if its state changes between two reads. Does not check the
   * caller.
   */
  listRecipients(
    id: string,
    page: { after: number; limit: number },
  ): Promise<{ recipients: ReportedRecipient[]; next?: number }>;

  /**
   * Returns a page of the recipients of a broadcast in this state that can be resent: their content is kept, and they were not resent
   * before. `after` as above. Does not check the caller.
   */
  listResendable(
    id: string,
    status: ResendableStatus,
    page: { after: number; limit: number },
  ): Promise<{ messages: StoredMessage[]; next?: number }>;

  /**
   * Counts the numbers that have opted out according to this caller's messages: the last message to the number that WATI accepted or
   * rejected was rejected, or failed to arrive, because of an opt-out.
   */
  countOptedOut(caller: string, numbers: readonly string[]): Promise<number>;
}

export interface BroadcastProgress {
  /**
   * Pause: `running` or `scheduled` -> `paused`; resume: `paused` -> `running`, or `scheduled` before its `sendAt`; cancel:
   * any of them -> `cancelled`. Returns the resulting broadcast, unchanged if there is no such transition. Only an operator can
   * resume a broadcast that an operator paused; an operator's pause replaces any other. Undefined: not a broadcast of this caller.
   */
  changeBroadcastStatus(caller: string, id: string, change: StatusChange): Promise<StoredBroadcast | undefined>;

  /**
   * Claims the oldest `limit` queued recipients of a running broadcast: `queued` -> `sending`, attempts + 1, sentAt. Any
   * process may claim a requeued recipient. Empty: none is left, the broadcast is paused or cancelled, its `notAfter` has passed,
   * or the lease has expired. Serialized with status changes: nothing is claimed after a pause or a cancel was acknowledged.
   */
  claimBatch(id: string, limit: number): Promise<StoredMessage[]>;

  /**
   * Reserves `n` recipients within `perMinute` of a broadcast, by the store's clock, so that the limit holds across replicas. Returns 0
   * if they may be claimed now or nothing is left to wait for; otherwise the time to wait before asking again, ms.
   */
  takePace(id: string, n: number): Promise<number>;

  /** What this process has claimed and neither completed nor requeued, also by a claim whose acknowledgement was lost. */
  listClaimed(id: string): Promise<AttemptRef[]>;

  /**
   * Cleans up at most `limit` rows: deletes broadcasts that were discarded, or left recording by dead processes; cancels queued
   * recipients of cancelled broadcasts; ends (finishedAt) broadcasts without queued or sending recipients: cancelled ones stay
   * `cancelled`, all others become `done`. Returns how many rows it touched. Calls `ended` for each broadcast that it ended.
   */
  sweepBroadcasts(limit: number, ended?: (broadcast: EndedBroadcast) => void): Promise<number>;
}

export interface BroadcastStore extends BroadcastRecording, BroadcastReads, BroadcastRecipients, BroadcastProgress {}
