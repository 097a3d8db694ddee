import type { StoredBroadcast } from './broadcast-store.ts';
import type { AttemptRef, ListPage, MessageStatus, StoredMessage } from './message-store.ts';

/** What operators see of single records of all callers. Types only, like message-store.ts. Times are wall clock, ms. */

/** An attempt that was returned to the queue, or an outcome that was replaced by a better one. */
export interface PastState {
  event: 'requeued' | MessageStatus;
  /** The number of the attempt, from 1. */
  attempt: number;
  /** When the attempt was claimed. */
  sentAt?: number;
  at: number;
  code?: string;
  detail?: string;
}

/** An attempt that is proved not sent, and why. */
export interface RequeuedAttempt extends AttemptRef {
  /** When it was claimed (ISO 8601). */
  sentAt?: string;
  code: string;
  detail: string;
}

export interface MessageHistory {
  message: StoredMessage;
  /** Oldest first; of a message that was requeued often, the first attempts. */
  past: PastState[];
  /** When it was last looked up in WATI's history. */
  lookedAt?: number;
  /** The resend of this message, if there is one. */
  resend?: { id: string; createdAt: number };
}

/** Messages whose outcome is unknown and that shared a call, or one that had a call of its own. */
export interface UnknownMessages {
  caller: string;
  connectionId: string;
  broadcastId?: string;
  /** Absent: a single message. */
  lostCall?: string;
  template?: string;
  sentAt?: number;
  /** How many are unknown, how many of these were looked up, and how many of the call are accepted now. */
  count: number;
  looked: number;
  found: number;
  nextLookAt?: number;
  /** The newest of them. */
  sampleId: string;
}

export interface AttemptLog {
  /** Keeps why attempts were returned to the queue, up to the twentieth of a message. For people: nothing is decided by it. */
  noteRequeued(attempts: readonly RequeuedAttempt[]): Promise<void>;
}

export interface OperatorMessageStore extends AttemptLog {
  /** Like `find`, for a message of any caller, with what is kept of its past. */
  findAnyMessage(id: string): Promise<MessageHistory | undefined>;
  /** Like `findBroadcast`, for a broadcast of any caller. */
  findAnyBroadcast(id: string): Promise<StoredBroadcast | undefined>;
  /** Broadcasts that have not ended, newest first. */
  listOpenBroadcasts(limit: number): Promise<StoredBroadcast[]>;
  /** Those of these broadcasts that are visible. */
  findBroadcasts(ids: readonly string[]): Promise<StoredBroadcast[]>;
  /**
   * Groups in the order of their newest message, newest first, each on one page. A page visits a bounded number of messages, so
   * it may be short or empty although there is a `next`. Throws RangeError for a cursor that this list did not return.
   */
  listUnknown(page: ListPage): Promise<{ groups: UnknownMessages[]; next?: string }>;
}
