import type { Json, StoredMessage } from './message-store.ts';

/**
 * Where events of callers are kept. Types only, like message-store.ts, and held to by the same conformance suite: each operation
 * is atomic and durable when its promise resolves.
 *
 * A fact is written with what it tells of, in one commit: by triggers where a message or a broadcast moves, by `applyTracking` for
 * the rest. Facts become events, numbered in the order of their commits, in a commit of their own: a reader that has seen a number
 * never meets a lower one later.
 */

/** Which events are recorded for a caller. A caller without a row has neither facts nor events, and costs nothing. */
export interface EventSubscription {
  caller: string;
  /** Full names of types, without wildcards. */
  types: readonly string[];
}

/** A fact that is recorded without a trigger. */
export interface NewFact {
  caller: string;
  connectionId: string;
  type: string;
  /** The fact's identity: a caller has at most one event of it. */
  fact: string;
  /** Wall clock, ms. */
  at: number;
  /**
   * The contact that it is about, in the form that messages have. Events of one contact are delivered one after
   * another, and erased with it.
   */
  contact?: string;
  /** The message that it is about, if any. The fact is deleted with it. */
  sendSeq?: number;
  /** Members of `data` in addition to the message. */
  detail?: Json;
}

/** A fact that is not an event yet. */
export interface PendingFact extends NewFact {
  seq: number;
  /** The message of `sendSeq` in its present state. */
  message?: StoredMessage;
  /** For a fact from a trigger: the former and the new state of the message. */
  change?: { from?: string; to: string; implied?: boolean };
  /** Status and outcome of the message at the time of the fact; it may have changed since. */
  outcome?: { status: string; verdict?: Json };
  broadcastId?: string;
}

/** An event without its number. */
export interface NewEvent {
  /** `evt_` and 22 characters; no dot. */
  id: string;
  caller: string;
  connectionId: string;
  type: string;
  fact: string;
  at: number;
  contact?: string;
  /** JSON text of `data`; never changed, so that all readers get the same bytes. */
  data: string;
}

export interface StoredEvent extends NewEvent {
  /** Increases over all callers, without gaps that could be filled later. */
  seq: number;
}

export interface EventPositions {
  /** Identifies this database. */
  epoch: string;
  /** The last number that was assigned. */
  last: number;
  /** The highest number among this caller's events that were deleted by age; 0: none. */
  purged: number;
}

export interface EventPage {
  events: StoredEvent[];
  /** All events of this caller up to here were examined. */
  scannedTo: number;
  /** Whether there may be more events behind it now. */
  hasMore: boolean;
}

export interface EventStore {
  /** Replaces all subscriptions. Writes nothing if they are unchanged. */
  setSubscriptions(subscriptions: readonly EventSubscription[]): Promise<void>;

  /** The oldest facts over all callers. Any process may turn them into events. */
  pendingFacts(limit: number): Promise<PendingFact[]>;
  /**
   * Numbers events under one lock and deletes their facts, in one commit. Skips an event whose caller has one of that
   * fact already, or whose fact another process has deleted. Returns the new ones in order, and notifies other
   * processes.
   */
  recordEvents(events: readonly (NewEvent & { factSeq: number })[], done: readonly number[]): Promise<StoredEvent[]>;

  /** Compare `purged` after a page is read, because events may be deleted in between. */
  eventPositions(caller: string): Promise<EventPositions>;
  /**
   * Events of one caller behind a number, oldest first. Examines at most a few thousand rows to find those of the
   * types.
   */
  readEvents(
    caller: string,
    ask: { after: number; limit: number; types?: readonly string[]; connectionId?: string },
  ): Promise<EventPage>;
  findEvent(caller: string, id: string): Promise<StoredEvent | undefined>;
  /** Events of several callers behind a number, oldest first: one query for all streams of a process. */
  readNewEvents(callers: readonly string[], ask: { after: number; limit: number }): Promise<StoredEvent[]>;
  /** The number of this caller's last event before the first one later than a time (wall clock, ms); 0: none. */
  eventBefore(caller: string, atMs: number): Promise<number>;

  /**
   * Calls the listener when another process has recorded events, as soon as the database notifies of it. With SQLite
   * there is no other process. Returns a function that unsubscribes.
   */
  onForeignEvents(listener: () => void): () => void;

  /**
   * Deletes at most `limit` events older than this by the ageing clock, and records how far for each caller. Returns
   * how many. `purge` does the same with `eventRetentionMs`.
   */
  expireEvents(olderThanMs: number, limit: number): Promise<number>;
}
