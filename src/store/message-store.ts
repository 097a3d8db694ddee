import type { DeliveryFilter, StoredDelivery } from './delivery-facts.ts';
import type { QuotaLimits } from './quota-store.ts';

/**
 * Where the records of sends live (docs/reference/delivery.md). Types only: SQLite and PostgreSQL are the two homes, and one
 * conformance suite holds both to this page. Each verb is atomic and durable when its promise resolves.
 */

export type MessageStatus = 'queued' | 'sending' | 'accepted' | 'rejected' | 'not_sent' | 'unknown' | 'cancelled';
export type MessageKind = 'text' | 'file' | 'file-link' | 'buttons' | 'list' | 'template' | 'csv';

/** JSON that the store keeps and does not look into. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** A message to be inserted, before any work. */
export interface NewMessage {
  id: string;
  caller: string;
  kind: MessageKind;
  to?: string;
  connectionId: string;
  template?: string;
  /** Of a file or a CSV, as it goes to WATI. */
  fileName?: string;
  /** The company's own number that it goes through, where one is known. */
  channel?: string;
  /** It was named for this send, and is not the one that every process would take: only who knows of channels may begin it. */
  channelNamed?: boolean;
  localMessageId?: string;
  /** What the call upstream is made from. Absent for streams: their bytes are never kept. */
  call?: Json;
  /** SHA-256 of what is sent to whom, hex; never kept as it is. Absent while a file is still coming in, and of recipients. */
  fingerprint?: string;
  /** The caller's Idempotency-Key, and the route that it counts for. */
  idempotency?: { route: string; key: string };
  /** Of a recipient of a broadcast; `addRecipients` says it, `insert` takes none. */
  broadcastId?: string;
  /** The send that this one repeats by the caller's explicit wish; the store takes one such child per send. */
  resendOf?: string;
  /** Of its caller: it is recorded only if one more message fits. Not kept. */
  quota?: QuotaLimits;
}

/** A send as it stands. Times are ISO 8601 UTC of the wall clock, for people; no decision rests on them. */
export interface StoredMessage extends Omit<NewMessage, 'quota' | 'fingerprint' | 'channelNamed'> {
  /** For `sameContent`; gone with the key, and without one an hour after the end. */
  contentMac?: string;
  /** The same, as earlier versions recorded it: plain. */
  fingerprint?: string;
  status: MessageStatus;
  attempts: number;
  whatsappMessageId?: string;
  failure?: { code: string; detail: string };
  /** How it ended, in the words of src/delivery: what a replay is answered from. */
  outcome?: Json;
  /** When the last attempt began: where a reconciliation looks for it. */
  sentAt?: string;
  /** What is known of it since; in what `find`, `findByKey` and the lists answer. */
  delivery?: StoredDelivery;
  createdAt: string;
  updatedAt: string;
}

/** What is queued of one caller for one connection: it may go, or is held, together. */
export interface QueueKey {
  caller: string;
  connectionId: string;
}

/** The queued sends of one owner in a lane. */
export interface OwnedQueue extends QueueKey {
  owner: number;
  /** `lost`: its owner is dead, so whichever process has room may adopt them. */
  ownership: 'own' | 'orphaned' | 'other';
}

/** The final state of a message, with what is known then. */
export interface Completion {
  status: 'accepted' | 'rejected' | 'not_sent' | 'unknown' | 'cancelled';
  localMessageId?: string;
  whatsappMessageId?: string;
  failure?: { code: string; detail: string };
  outcome: Json;
  /** Of a file, known only now. */
  fingerprint?: string;
  /** Of an unknown one that shared its call with others: which call that was, and its place among them, from 0. */
  lostCall?: { id: string; place: number };
  /** When, as the caller is told it (ISO 8601), so that a repeat is answered to the letter; the store's own time if absent. */
  at?: string;
}

/** One attempt of one send. */
export interface AttemptRef {
  id: string;
  attempt: number;
}

export interface MessageFilter {
  to?: string;
  status?: MessageStatus;
  broadcastId?: string;
  /** ISO 8601; created at or after. */
  since?: string;
  /** `none`: accepted, and nothing more is known. */
  delivery?: DeliveryFilter;
}

/** `cursor` is what the last page answered as `next`. */
export interface ListPage {
  limit: number;
  cursor?: string;
}

export interface MessageStore {
  /**
   * Inserts a message as `queued`. Inserts first and reads only on conflict, never the other way round. `known`: the same caller, route and key were
   * recorded before (whatever the fingerprint), or `resendOf` has a child already, or is itself neither `unknown` nor
   * `not_sent` any more (then it is what is `known`); nothing was written then. A failure that is not `notCommitted`
   * leaves it open whether it stands, and whether another process takes it up before it is taken out. Throws QuotaExceededError.
   */
  insert(send: NewMessage): Promise<{ inserted: StoredMessage } | { existing: StoredMessage }>;

  /**
   * Claims a message: `queued` -> `sending`, attempts + 1, sentAt. False: this process may not send it (somebody else owns it, it was
   * cancelled, or the lease of this process has run out). Then not one byte may go out. `attempt` counts from 1; asked again
   * for an attempt that this process began already (its commit was done, and the answer lost), it says true again.
   */
  claim(id: string, attempt: number): Promise<boolean>;

  /**
   * `sending` -> `queued` after this attempt is proved not sent: a crash before the next one loses nothing. True also if this
   * process has it queued already after this attempt; false once the next one has begun, which may be on the wire, and of what
   * was proved to be sent: that is `accepted`.
   */
  requeue(id: string, attempt: number): Promise<boolean>;

  /**
   * Completes a message. From `queued` or `sending` to a final state, and from `unknown` to anything better: a late answer is the truth. Drops
   * `call` where nobody will need it again (accepted, rejected, cancelled). False: it had ended otherwise; unchanged.
   * `cancelled` comes from `queued` alone, said by any process, because a cancel never touches `sending`; the
   * other ends of a `queued` or `sending` row are its owner's to say, unless that one is dead. What was proved to be sent while
   * it was `sending` (src/store/tracking-port.ts) becomes `accepted`; false is answered where something else was said.
   */
  complete(id: string, settlement: Completion): Promise<boolean>;

  /**
   * Claim, requeue and completion of messages that go out in one call, in one step that is durable as a whole: each id once, and of each
   * exactly what `claim`, `requeue` and `complete` say of one. They answer the ids for which those would have said true;
   * only what `claimAll` answers may be sent. A failure is that of all: nothing of it was written, or all of it was.
   */
  claimAll(marks: readonly AttemptRef[]): Promise<ReadonlySet<string>>;
  requeueAll(marks: readonly AttemptRef[]): Promise<ReadonlySet<string>>;
  completeAll(settlements: readonly (Completion & { id: string })[]): Promise<ReadonlySet<string>>;

  /**
   * Undoes an insert, for a stream that turned out to be no valid request: it must not use up its key. Only if not ended, and never a
   * recipient of a broadcast.
   */
  deleteUnsent(id: string): Promise<void>;

  /** `unknown` -> `accepted`, by evidence found later. False: it is not unknown any more. */
  markReconciled(
    id: string,
    found: { whatsappMessageId?: string; localMessageId?: string; outcome: Json },
  ): Promise<boolean>;

  /**
   * How many other sends, of any caller, began between the two times (ISO 8601) and may look the same in the recipient's
   * history: the same content, or the same template with whatever parameters; a CSV of it may name anybody. So may one of
   * its kind whose content is not known any more, and one through another channel. An empty fingerprint stands for that of every text.
   */
  countLookalikes(
    send: Pick<NewMessage, 'id' | 'kind' | 'connectionId' | 'to' | 'template' | 'fingerprint' | 'channel'>,
    from: string,
    until: string,
  ): Promise<number>;

  /** Whether this is what was recorded; undefined: nothing is kept to tell it by. Asks nobody. */
  sameContent(known: Pick<StoredMessage, 'contentMac' | 'fingerprint'>, fingerprint: string): boolean | undefined;

  /** A send of this caller; another's does not exist for it. */
  find(caller: string, id: string): Promise<StoredMessage | undefined>;
  /** The send that this caller and route recorded under this key. */
  findByKey(caller: string, route: string, key: string): Promise<StoredMessage | undefined>;
  /**
   * Newest first. A cursor that this list did not answer for this caller throws RangeError. A page may be short, even empty,
   * while there is a `next`: it looks at some thousand records, and the next one goes on from there.
   */
  list(caller: string, filter: MessageFilter, page: ListPage): Promise<{ messages: StoredMessage[]; next?: string }>;

  /**
   * Ends what processes left behind that are dead (SQLite: every other; PostgreSQL: those whose lease has run out). Their
   * `sending` become `unknown` with failure {code: 'owner-died'}, but a stream that was only `queued` becomes `not_sent`
   * with {code: 'stream-lost'}. Their other `queued` stay as they are until a process adopts them. Costs as much as there is
   * to end, however much is queued.
   */
  recoverOrphans(): Promise<{ unknown: number; lostStreams: number }>;

  /**
   * The lanes in which anything is queued, of all owners, in a fixed order, behind `after`; at most `limit`. Costs a step for
   * each lane, however much is queued in it.
   */
  listQueues(limit: number, after?: OwnedQueue): Promise<OwnedQueue[]>;

  /** The oldest `limit` queued sends of a dead owner in a lane now belong to this process. Answers how many. */
  adoptOrphans(lane: OwnedQueue, limit: number): Promise<number>;

  /**
   * The oldest `limit` sends of a lane that this process owns and has queued, but for streams, what is in doubt, and the ids
   * in `except`; also what it owns by an adoption whose answer was lost.
   */
  listOwnQueued(lane: QueueKey, limit: number, except: readonly string[]): Promise<StoredMessage[]>;

  /** How many sends are queued, of all or of one caller, recipients of broadcasts aside; counts no further than `limit`. */
  countQueued(limit: number, caller?: string): Promise<number>;

  /** The value that was first given for this name by any process; it is kept until it is given anew by `repin`. */
  pin(name: string, value: string): Promise<string>;
  /** The same without giving one; undefined: there is none. */
  findPin(name: string): Promise<string | undefined>;
  /** From now on the value of this name is this one. */
  replacePin(name: string, value: string): Promise<void>;

  /**
   * Frees keys `keyRetentionMs` after the end (unknown: `unknownRetentionMs`), drops their `call` and what their content is
   * known by, this without a key after an hour (not beside older replicas, which count no unknown twin), and deletes records
   * `recordRetentionMs` after the end; at most `limit` rows of each. Answers how many rows it touched.
   */
  purge(limit: number): Promise<number>;

  /** How many sends stand in each state, all callers. */
  counts(): Promise<Record<MessageStatus, number>>;

  /** Writes something durable; throws StoreError when that fails. */
  check(): Promise<void>;

  /** Renews the lease of this process (PostgreSQL). Throws when it could not be renewed. */
  heartbeat(): Promise<void>;
  /**
   * Takes out the records whose `insert` failed but may be committed, then or later: nobody may send what its caller
   * believes lost. Throws when it could not; asked again, it goes on.
   */
  resolveInDoubt(): Promise<void>;
  /** Whether the lease holds by this machine's steady clock; asked right before the first byte goes out. */
  holdsLease(): boolean;
  /** Changes when this process lost what it owned: a send that was begun in another epoch is not its own any more. */
  epoch(): number;

  close(): Promise<void>;
}
