import type { DeliveryFilter, StoredDelivery } from './delivery-facts.ts';
import type { PinStore } from './pin-store.ts';
import type { QuotaLimits } from './quota-store.ts';
import type { StoreSession } from './store-session.ts';

/**
 * Records of messages (docs/reference/delivery.md). Types only: SQLite and PostgreSQL implement them, and one conformance
 * suite tests both. Each operation is atomic, and durable when its promise resolves.
 */

export type MessageStatus = 'queued' | 'sending' | 'accepted' | 'rejected' | 'not_sent' | 'unknown' | 'cancelled';
export type MessageKind = 'text' | 'file' | 'file-link' | 'buttons' | 'list' | 'template' | 'csv';

/** JSON that the store does not interpret. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** When a message may go out (ISO 8601 UTC), by the wall clock of the store. */
export interface Schedule {
  /** Not before this time; at once if it has passed. */
  sendAt?: string;
  /** Not at or after this time: a message that has not gone out by then ends as `not_sent` with the failure `expired`. */
  notAfter?: string;
}

export interface NewMessage extends Schedule {
  id: string;
  caller: string;
  kind: MessageKind;
  to?: string;
  connectionId: string;
  template?: string;
  /** The file name of a file or a CSV, as WATI gets it. */
  fileName?: string;
  /** The company's number that the message goes through, if known. */
  channel?: string;
  /** The caller named the channel, so only a version of this service that knows channels may claim the message. */
  channelNamed?: boolean;
  localMessageId?: string;
  /** The content, from which the upstream call is built (`call_json` in the database). Absent for streams: their bytes are never stored. */
  content?: Json;
  /** The caller's own name for the message, such as an order number. */
  reference?: string;
  /** SHA-256 of content and recipient, hex; stored only as an HMAC. Absent while a file is coming in, and for recipients. */
  fingerprint?: string;
  /** The caller's Idempotency-Key, and the route that it is valid for. */
  idempotency?: { route: string; key: string };
  /** Set by `addRecipients`; `insert` refuses it. */
  broadcastId?: string;
  /** The message that this one repeats by explicit request. A message has at most one resend. */
  resendOf?: string;
  /** The caller's quota: the message is inserted only if it fits. Not stored. */
  quota?: QuotaLimits;
}

/** A message as recorded. Times are ISO 8601 UTC of the wall clock, for people; no decision rests on them. */
export interface StoredMessage extends Omit<NewMessage, 'quota' | 'fingerprint' | 'channelNamed'> {
  /** For `sameContent`. Erased with the key; without a key, an hour after the end. */
  contentMac?: string;
  /** The plain digest that earlier versions stored instead. */
  fingerprint?: string;
  status: MessageStatus;
  attempts: number;
  whatsappMessageId?: string;
  failure?: { code: string; detail: string };
  /** The outcome in the form of src/delivery. A repeated request is answered from it. */
  outcome?: Json;
  /** When the last attempt was claimed. Reconciliation searches the history around it. */
  sentAt?: string;
  /** What is known of its delivery. Present in the results of `find`, `findByKey` and the lists. */
  delivery?: StoredDelivery;
  createdAt: string;
  updatedAt: string;
}

/** The final state of a message. */
export interface Completion {
  status: 'accepted' | 'rejected' | 'not_sent' | 'unknown' | 'cancelled';
  localMessageId?: string;
  whatsappMessageId?: string;
  failure?: { code: string; detail: string };
  outcome: Json;
  /** For a file, whose digest is known only at its end. */
  fingerprint?: string;
  /** For an unknown message that shared its call with others: the id of that call, and its index in it from 0. */
  lostCall?: { id: string; place: number };
  /** The time that the caller is told (ISO 8601), so that a replay is identical. By default the store's own time. */
  at?: string;
}

export interface AttemptRef {
  id: string;
  /** Counts from 1. */
  attempt: number;
}

export interface MessageFilter {
  /** The id of a message. */
  id?: string;
  /** Messages under this key, of any route. */
  idempotencyKey?: string;
  reference?: string;
  template?: string;
  to?: string;
  status?: MessageStatus;
  broadcastId?: string;
  /** Messages of one call whose answer was lost. */
  lostCall?: string;
  /** ISO 8601; created at or after this time. */
  since?: string;
  /** ISO 8601; created before this time. */
  until?: string;
  /** `none`: accepted, and nothing more is known. */
  delivery?: DeliveryFilter;
}

export interface ListPage {
  limit: number;
  /** The `next` of the previous page. */
  cursor?: string;
  /** Includes the `content` of messages, which may be long. */
  withContent?: true;
}

/** The queue of one caller for one connection. All of its messages can be sent, or all are held. */
export interface QueueKey {
  caller: string;
  connectionId: string;
}

/** The part of a queue that belongs to one process. */
export interface OwnedQueue extends QueueKey {
  owner: number;
  /** `orphaned`: the owner is dead, and any process may adopt its messages. */
  ownership: 'own' | 'orphaned' | 'other';
}

/** Queued messages of all processes, including those of dead processes. Recipients of broadcasts are not part of it. */
export interface QueueStore {
  /**
   * What happens after a crash while sending: completes the messages of dead owners that cannot be adopted (SQLite: every
   * earlier process; PostgreSQL: those whose lease has expired). `sending` becomes `unknown` with failure {code: 'owner-died'},
   * because a byte may have been sent; a stream that was `queued` becomes `not_sent` with {code: 'stream-lost'}. Other queued
   * messages wait for `adoptOrphans`. The cost depends on the number of messages completed, not on the length of the queues.
   */
  recoverOrphans(): Promise<{ unknown: number; lostStreams: number }>;
  /** The non-empty queues of all owners after `after`, at most `limit`, in a fixed order. One index lookup per queue. */
  listQueues(limit: number, after?: OwnedQueue): Promise<OwnedQueue[]>;
  /** Makes this process the owner of the oldest `limit` messages in a queue of a dead owner. Returns how many. */
  adoptOrphans(queue: OwnedQueue, limit: number): Promise<number>;
  /**
   * The oldest `limit` queued messages of this process in a queue, without streams, inserts in doubt, and the ids in `except`.
   * Includes messages adopted by a call whose acknowledgement was lost.
   */
  listOwnQueued(queue: QueueKey, limit: number, except: readonly string[]): Promise<StoredMessage[]>;
  /** How many messages are queued, in all or of one caller; counts up to `limit`. */
  countQueued(limit: number, caller?: string): Promise<number>;
}

export interface MessageStore extends QueueStore, PinStore, StoreSession {
  /**
   * Inserts a message as `queued`; `isScheduled`: it waits for its `sendAt`, and is in no queue until then. Returns `existing` and
   * writes nothing if the same caller, route and key were recorded before (whatever the fingerprint), or if `resendOf` has a resend
   * already or is no longer `unknown` or `not_sent`. Inserts first and reads only on conflict. After a failure that is not
   * `notCommitted`, the row may exist, and another process may adopt it before `resolveInDoubt`. Throws QuotaExceededError.
   */
  insert(message: NewMessage): Promise<{ inserted: StoredMessage; isScheduled?: true } | { existing: StoredMessage }>;
  /**
   * Claims an attempt: `queued` -> `sending`, attempts + 1, sentAt. Returns false if this process may not send the message:
   * another one owns it, it was cancelled, its `notAfter` has passed, or the lease has expired. Then no byte may go out.
   * Idempotent: returns true again for an attempt that this process has claimed already.
   */
  claim(id: string, attempt: number): Promise<boolean>;
  /**
   * Returns an attempt to the queue (`sending` -> `queued`) once it is proven unsent. Idempotent: also returns true if this
   * attempt was already requeued. Returns false if a later attempt has started, which may be in flight, and for a
   * message that was proved to be sent: that one is `accepted`.
   */
  requeue(id: string, attempt: number): Promise<boolean>;
  /**
   * Completes a message: from `queued` or `sending` to a final state, and from `unknown` to a better one, because a late
   * answer is the truth. Erases `content` if no resend can need it (accepted, cancelled, or rejected and
   * not a recipient of a broadcast). Returns false, and changes nothing, if it was completed otherwise. Any process may cancel
   * a message that is `queued`; every other completion of a `queued` or `sending` message is its owner's, unless the owner is dead. A message that was proved to be sent while it was
   * `sending` (src/store/tracking-store.ts) becomes `accepted`; false is returned if something else was asked.
   */
  complete(id: string, completion: Completion): Promise<boolean>;
  /**
   * The same for messages that share a call, as one durable step; each id at most once. They return the ids for which the
   * operation on one would have returned true; only those that `claimAll` returns may be sent. A failure concerns all: either
   * nothing was written, or everything was.
   */
  claimAll(attempts: readonly AttemptRef[]): Promise<ReadonlySet<string>>;
  requeueAll(attempts: readonly AttemptRef[]): Promise<ReadonlySet<string>>;
  completeAll(completions: readonly (Completion & { id: string })[]): Promise<ReadonlySet<string>>;
  /**
   * Undoes an insert for a stream that turned out to be an invalid request, so that its key can be used again. Deletes only a
   * message that is not completed, is no recipient of a broadcast, and was not proved to be sent meanwhile. Returns false if
   * nothing was deleted.
   */
  deleteUnsent(id: string): Promise<boolean>;
  /** `unknown` -> `accepted`, by evidence found later. Returns false if it is not `unknown` any more. */
  markReconciled(
    id: string,
    found: { whatsappMessageId?: string; localMessageId?: string; outcome: Json },
  ): Promise<boolean>;
  /**
   * Counts other messages, of any caller, that were claimed between the two times (ISO 8601) and may look the same in the
   * recipient's history: the same content; the same template with any parameters, also by a CSV, which may name anybody; a
   * message of the same kind whose content is not known any more; a message through another channel. An empty fingerprint
   * matches every text.
   */
  countLookalikes(
    message: Pick<NewMessage, 'id' | 'kind' | 'connectionId' | 'to' | 'template' | 'fingerprint' | 'channel'>,
    from: string,
    until: string,
  ): Promise<number>;
  /** Whether this content was recorded; undefined if the record keeps nothing to compare. Does not query the database. */
  sameContent(stored: Pick<StoredMessage, 'contentMac' | 'fingerprint'>, fingerprint: string): boolean | undefined;
  /** Finds messages of this caller only. */
  find(caller: string, id: string): Promise<StoredMessage | undefined>;
  findByKey(caller: string, route: string, key: string): Promise<StoredMessage | undefined>;
  /**
   * Newest first. Throws RangeError for a cursor that this list did not return to this caller. A page visits a bounded number
   * of records, so it may be short or empty although there is a `next`.
   */
  list(caller: string, filter: MessageFilter, page: ListPage): Promise<{ messages: StoredMessage[]; next?: string }>;
  /**
   * Releases keys `keyRetentionMs` after the end (unknown: `unknownRetentionMs`) and erases their `content` and fingerprint;
   * erases fingerprints without a key after an hour (not beside older replicas, which cannot count lookalikes without them);
   * deletes records `recordRetentionMs` after the end. At most `limit` rows of each. Returns how many rows it touched.
   */
  purge(limit: number): Promise<number>;

  /** Counts messages of all callers by status. `scheduled`: those that wait for their `sendAt`, or that of their broadcast. */
  counts(): Promise<Record<MessageStatus | 'scheduled', number>>;
}
