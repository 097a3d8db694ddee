import type { QuotaLimits } from './quota-port.ts';
import type { DeliveryFilter, StoredDelivery } from './tracking-port.ts';

/**
 * Where the records of sends live (docs/reference/delivery.md). Types only: SQLite and PostgreSQL are the two homes, and one
 * conformance suite holds both to this page. Each verb is atomic and durable when its promise resolves.
 */

export type SendStatus = 'queued' | 'sending' | 'accepted' | 'rejected' | 'not_sent' | 'unknown' | 'cancelled';
export type SendKind = 'text' | 'file' | 'file-link' | 'buttons' | 'list' | 'template' | 'csv';

/** JSON that the store keeps and does not look into. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** A message to be inserted, before any work. */
export interface NewSend {
  id: string;
  caller: string;
  kind: SendKind;
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
  /** Of a recipient of a broadcast; `addRecipients` says it, `record` takes none. */
  broadcastId?: string;
  /** The send that this one repeats by the caller's explicit wish; the store takes one such child per send. */
  resendOf?: string;
  /** Of its caller: it is recorded only if one more message fits. Not kept. */
  quota?: QuotaLimits;
}

/** A send as it stands. Times are ISO 8601 UTC of the wall clock, for people; no decision rests on them. */
export interface StoredSend extends Omit<NewSend, 'quota' | 'fingerprint' | 'channelNamed'> {
  /** For `sameContent`; gone with the key, and without one an hour after the end. */
  contentMac?: string;
  /** The same, as earlier versions recorded it: plain. */
  fingerprint?: string;
  status: SendStatus;
  attempts: number;
  whatsappMessageId?: string;
  failure?: { code: string; detail: string };
  /** How it ended, in the words of src/delivery: what a replay is answered from. */
  verdict?: Json;
  /** When the last attempt began: where a reconciliation looks for it. */
  sentAt?: string;
  /** What is known of it since; in what `find`, `findByKey` and the lists answer. */
  delivery?: StoredDelivery;
  createdAt: string;
  updatedAt: string;
}

/** What is queued of one caller for one connection: it may go, or is held, together. */
export interface Lane {
  caller: string;
  connectionId: string;
}

/** The queued sends of one owner in a lane. */
export interface QueuedLane extends Lane {
  owner: number;
  /** `lost`: its owner is dead, so whichever process has room may adopt them. */
  whose: 'own' | 'lost' | 'other';
}

/** The final state of a message, with what is known then. */
export interface Settlement {
  status: 'accepted' | 'rejected' | 'not_sent' | 'unknown' | 'cancelled';
  localMessageId?: string;
  whatsappMessageId?: string;
  failure?: { code: string; detail: string };
  verdict: Json;
  /** Of a file, known only now. */
  fingerprint?: string;
  /** Of an unknown one that shared its call with others: which call that was, and its place among them, from 0. */
  lostCall?: { id: string; place: number };
  /** When, as the caller is told it (ISO 8601), so that a repeat is answered to the letter; the store's own time if absent. */
  at?: string;
}

/** One attempt of one send. */
export interface Mark {
  id: string;
  attempt: number;
}

export interface SendFilter {
  to?: string;
  status?: SendStatus;
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

export interface SendStore {
  /**
   * Inserts a message as `queued`. Inserts first and reads only on conflict, never the other way round. `known`: the same caller, route and key were
   * recorded before (whatever the fingerprint), or `resendOf` has a child already, or is itself neither `unknown` nor
   * `not_sent` any more (then it is what is `known`); nothing was written then. A failure that is not `nothingWritten`
   * leaves it open whether it stands, and whether another process takes it up before it is taken out. Throws QuotaSpent.
   */
  record(send: NewSend): Promise<{ recorded: StoredSend } | { known: StoredSend }>;

  /**
   * Claims a message: `queued` -> `sending`, attempts + 1, sentAt. False: this process may not send it (somebody else owns it, it was
   * cancelled, or the lease of this process has run out). Then not one byte may go out. `attempt` counts from 1; asked again
   * for an attempt that this process began already (its commit was done, and the answer lost), it says true again.
   */
  begin(id: string, attempt: number): Promise<boolean>;

  /**
   * `sending` -> `queued` after this attempt is proved not sent: a crash before the next one loses nothing. True also if this
   * process has it queued already after this attempt; false once the next one has begun, which may be on the wire.
   */
  retreat(id: string, attempt: number): Promise<boolean>;

  /**
   * Completes a message. From `queued` or `sending` to a final state, and from `unknown` to anything better: a late answer is the truth. Drops
   * `call` where nobody will need it again (accepted, rejected, cancelled). False: it had ended otherwise; unchanged.
   * `cancelled` comes from `queued` alone, said by any process, because a cancel never touches `sending`; the
   * other ends of a `queued` or `sending` row are its owner's to say, unless that one is dead. What was proved to be sent while it was
   * `sending` (src/store/tracking-port.ts) becomes `accepted` whatever is said, and false is answered where that was something else.
   */
  settle(id: string, settlement: Settlement): Promise<boolean>;

  /**
   * Claim, requeue and completion of messages that go out in one call, in one step that is durable as a whole: each id once, and of each
   * exactly what `begin`, `retreat` and `settle` say of one. They answer the ids for which those would have said true;
   * only what `beginAll` answers may be sent. A failure is that of all: nothing of it was written, or all of it was.
   */
  beginAll(marks: readonly Mark[]): Promise<ReadonlySet<string>>;
  retreatAll(marks: readonly Mark[]): Promise<ReadonlySet<string>>;
  settleAll(settlements: readonly (Settlement & { id: string })[]): Promise<ReadonlySet<string>>;

  /**
   * Undoes an insert, for a stream that turned out to be no valid request: it must not use up its key. Only if not ended, and never a
   * recipient of a broadcast.
   */
  forget(id: string): Promise<void>;

  /** `unknown` -> `accepted`, by evidence found later. False: it is not unknown any more. */
  resolve(id: string, found: { whatsappMessageId?: string; localMessageId?: string; verdict: Json }): Promise<boolean>;

  /**
   * How many other sends, of any caller, began between the two times (ISO 8601) and may look the same in the recipient's
   * history: the same content, or the same template with whatever parameters; a CSV of it may name anybody. So may one of
   * its kind whose content is not known any more, and one through another channel. An empty fingerprint stands for that of every text.
   */
  countLookalikes(
    send: Pick<NewSend, 'id' | 'kind' | 'connectionId' | 'to' | 'template' | 'fingerprint' | 'channel'>,
    from: string,
    until: string,
  ): Promise<number>;

  /** Whether this is what was recorded; undefined: nothing is kept to tell it by. Asks nobody. */
  sameContent(known: Pick<StoredSend, 'contentMac' | 'fingerprint'>, fingerprint: string): boolean | undefined;

  /** A send of this caller; another's does not exist for it. */
  find(caller: string, id: string): Promise<StoredSend | undefined>;
  /** The send that this caller and route recorded under this key. */
  findByKey(caller: string, route: string, key: string): Promise<StoredSend | undefined>;
  /**
   * Newest first. A cursor that this list did not answer for this caller throws RangeError. A page may be short, even empty,
   * while there is a `next`: it looks at some thousand records, and the next one goes on from there.
   */
  list(caller: string, filter: SendFilter, page: ListPage): Promise<{ sends: StoredSend[]; next?: string }>;

  /**
   * Ends what processes left behind that are dead (SQLite: every other; PostgreSQL: those whose lease has run out). Their
   * `sending` become `unknown` with failure {code: 'owner-died'}, but a stream that was only `queued` becomes `not_sent`
   * with {code: 'stream-lost'}. Their other `queued` stay as they are until a process adopts them. Costs as much as there is
   * to end, however much is queued.
   */
  recover(): Promise<{ unknown: number; lost: number }>;

  /**
   * The lanes in which anything is queued, of all owners, in a fixed order, behind `after`; at most `limit`. Costs a step for
   * each lane, however much is queued in it.
   */
  queuedLanes(limit: number, after?: QueuedLane): Promise<QueuedLane[]>;

  /** The oldest `limit` queued sends of a dead owner in a lane now belong to this process. Answers how many. */
  adopt(lane: QueuedLane, limit: number): Promise<number>;

  /**
   * The oldest `limit` sends of a lane that this process owns and has queued, but for streams, what is in doubt, and the ids
   * in `except`; also what it owns by an adoption whose answer was lost.
   */
  ownQueued(lane: Lane, limit: number, except: readonly string[]): Promise<StoredSend[]>;

  /** How many sends are queued, of all or of one caller, recipients of broadcasts aside; counts no further than `limit`. */
  countQueued(limit: number, caller?: string): Promise<number>;

  /** The value that was first given for this name by any process; it is kept until it is given anew by `repin`. */
  pin(name: string, value: string): Promise<string>;
  /** The same without giving one; undefined: there is none. */
  pinned(name: string): Promise<string | undefined>;
  /** From now on the value of this name is this one. */
  repin(name: string, value: string): Promise<void>;

  /**
   * Frees keys `keyRetentionMs` after the end (unknown: `unknownRetentionMs`), drops their `call` and what their content is
   * known by, this without a key after an hour (not beside older replicas, which count no unknown twin), and deletes records
   * `recordRetentionMs` after the end; at most `limit` rows of each. Answers how many rows it touched.
   */
  purge(limit: number): Promise<number>;

  /** How many sends stand in each state, all callers. */
  counts(): Promise<Record<SendStatus, number>>;

  /** Writes something durable; throws StoreError when that fails. */
  check(): Promise<void>;

  /** Renews the lease of this process (PostgreSQL). Throws when it could not be renewed. */
  heartbeat(): Promise<void>;
  /**
   * Takes out the records whose `record` failed but may be committed, then or later: nobody may send what its caller
   * believes lost. Throws when it could not; asked again, it goes on.
   */
  withdrawDoubtful(): Promise<void>;
  /** Whether the lease holds by this machine's steady clock; asked right before the first byte goes out. */
  holdsLease(): boolean;
  /** Changes when this process lost what it owned: a send that was begun in another epoch is not its own any more. */
  epoch(): number;

  close(): Promise<void>;
}

/**
 * The slots of the calls that all processes on one store share. Nothing of it is durable, and it asks the
 * clock of the database alone.
 */
export interface SlotStore {
  /**
   * Takes the next slot and puts the one after it `intervalMs` later, in one step. The slot is `waitMs` after `nowMs`, which
   * is the clock when it answered; at most a minute. `replicas`: how many processes are believed to live, this one included.
   */
  reserveSlot(intervalMs: number): Promise<{ waitMs: number; nowMs: number; replicas: number }>;
  /** No slot is given out from now on that is earlier than in `ms`; at most a minute. */
  holdSlots(ms: number): Promise<void>;
}

/** What a caller may do at all, and what is asked for now. */
export interface PermitAsk {
  perSecond: number;
  /** How many may come at once after a rest. */
  burst: number;
  most: number;
  /** Passed without asking, while the store was not there: taken off now. */
  owed: number;
}

export interface Permits {
  granted: number;
  /** From now until there is one more; 0 where one is left. */
  waitMs: number;
  /** How many processes are believed to live, this one included. */
  replicas: number;
}

/** A caller's own limit, held over all processes on one store. Nothing of it is durable either. */
export interface PermitStore {
  /** Takes as many permits of this caller as there are, up to `most`, in one step. What is taken is not given back. */
  takePermits(caller: string, ask: PermitAsk): Promise<Permits>;
}

export interface StoreOptions {
  keyRetentionMs: number;
  unknownRetentionMs: number;
  recordRetentionMs: number;
  /** PostgreSQL: how long a process that says nothing is believed to live. */
  leaseMs: number;
  /** PostgreSQL: `require` speaks TLS with a server whose certificate is verified, or not at all; `off` by default. */
  tls?: 'require' | 'off';
  /** Steady milliseconds, `performance.now` by default: SQLite ages by it, the lease is judged by it. */
  clock?: () => number;
  /** Wall clock, ms, `Date.now` by default: what records say of their times. */
  wall?: () => number;
  /** Told of every use of the database, when it is over. */
  onUse?: (kind: 'read' | 'write' | 'slot' | 'permits', seconds: number, failed: boolean) => void;
}

/** The store cannot do its work now; the cause says why. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  /** It is proved that nothing stands of what was to be written; false: a commit may stand whose answer was lost. */
  readonly nothingWritten: boolean;

  constructor(
    message: string,
    { nothingWritten = false, ...options }: ErrorOptions & { nothingWritten?: boolean } = {},
  ) {
    super(message, options);
    this.nothingWritten = nothingWritten;
  }
}
