import type { Json, StoredMessage } from './message-store.ts';

/**
 * Where events of callers are kept. Types only, like message-store.ts, and held to by the same conformance suite: each operation
 * is atomic and durable when its promise resolves.
 *
 * A fact is written with what it tells of, in one commit: by triggers where a message or a broadcast moves, by `applyTracking` for
 * the rest. Facts become events, numbered in the order of their commits, in a commit of their own: a reader that has seen a number
 * never meets a lower one later.
 */

/** What is written down for a caller; one without a row has no facts and no events, at no cost. */
export interface EventSubscription {
  caller: string;
  /** Whole names of types, without wildcards. */
  types: readonly string[];
}

/** A fact that no trigger sees. */
export interface NewFact {
  caller: string;
  connectionId: string;
  type: string;
  /** What makes it the same: one caller has one event of a fact. */
  fact: string;
  /** Wall clock, ms. */
  at: number;
  /** Whom it is about, as messages name them: events of one contact are delivered one after another, and are erased with it. */
  contact?: string;
  /** The message that it is about, if any. It goes with it. */
  sendSeq?: number;
  /** Members of `data` beside the message. */
  detail?: Json;
}

/** A fact that is not an event yet. */
export interface PendingFact extends NewFact {
  seq: number;
  /** Of `sendSeq`, as it stands now. */
  message?: StoredMessage;
  /** Where a trigger wrote it: what the message moved from and to. */
  change?: { from?: string; to: string; implied?: boolean };
  /** Status and outcome of the message as the fact found it; it may have moved on since. */
  outcome?: { status: string; verdict?: Json };
  broadcastId?: string;
}

/** An event, before it has its number. */
export interface NewEvent {
  /** `evt_` and 22 characters; no dot. */
  id: string;
  caller: string;
  connectionId: string;
  type: string;
  fact: string;
  at: number;
  contact?: string;
  /** JSON text of `data`; never changed afterwards, so that whoever reads it gets the same bytes. */
  data: string;
}

export interface StoredEvent extends NewEvent {
  /** Without holes that could be filled later; over all callers. */
  seq: number;
}

export interface EventPositions {
  /** Tells this database from every other. */
  epoch: string;
  /** The last number that was given out. */
  last: number;
  /** The highest number of this caller's events that have been deleted by age; 0: none. */
  purged: number;
}

export interface EventPage {
  events: StoredEvent[];
  /** All events of this caller up to here were looked at. */
  scannedTo: number;
  /** Whether there may be more behind it now. */
  hasMore: boolean;
}

export interface EventStore {
  /** Replaces all of them. The same ones again write nothing. */
  setSubscriptions(subscriptions: readonly EventSubscription[]): Promise<void>;

  /** The oldest, over all callers. Any process may make events of them. */
  pendingFacts(limit: number): Promise<PendingFact[]>;
  /**
   * Numbers events under one lock and takes the facts out, in one commit. An event whose caller has one of that fact already is left
   * out, and so is one whose fact another process has taken out. Answers the new ones in their order; other processes are woken.
   */
  recordEvents(events: readonly (NewEvent & { factSeq: number })[], done: readonly number[]): Promise<StoredEvent[]>;

  /** What is purged is to be compared after a page is read: events may be deleted in between. */
  eventPositions(caller: string): Promise<EventPositions>;
  /** Of one caller behind a number, oldest first; looks at no more than some thousand rows to find those of the types. */
  readEvents(
    caller: string,
    ask: { after: number; limit: number; types?: readonly string[]; connectionId?: string },
  ): Promise<EventPage>;
  findEvent(caller: string, id: string): Promise<StoredEvent | undefined>;
  /** Of all these callers behind a number, oldest first: one query for all the streams of a process. */
  readNewEvents(callers: readonly string[], ask: { after: number; limit: number }): Promise<StoredEvent[]>;
  /** The number of this caller's last event before all those that are later than a time (wall clock, ms); 0: none. */
  eventBefore(caller: string, atMs: number): Promise<number>;

  /**
   * Calls back when another process has recorded events; at once, where the database tells of it. On SQLite there is no other
   * process. The answer ends it.
   */
  onForeignEvents(listener: () => void): () => void;

  /**
   * Deletes events that were recorded so long ago, by the clock by which records age, and notes per caller how far; at most so many.
   * Answers how many. `purge` does the same with `eventRetentionMs`.
   */
  expireEvents(olderThanMs: number, limit: number): Promise<number>;
}
