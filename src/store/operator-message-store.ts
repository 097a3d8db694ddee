import type { StoredBroadcast } from './broadcast-store.ts';
import type { AttemptRef, ListPage, MessageStatus, StoredMessage } from './message-store.ts';

/** Records of all callers as operators read them. Types only, like message-store.ts. Times are wall clock, ms. */

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

/** An attempt that is proven not sent, and why. */
export interface RequeuedAttempt extends AttemptRef {
  /** When it was claimed (ISO 8601). */
  sentAt?: string;
  code: string;
  detail: string;
}

export interface MessageHistory {
  message: StoredMessage;
  /** Oldest first; only the first attempts of a message that was requeued often. */
  past: PastState[];
  /** When the message was last looked up in WATI's history. */
  lookedAt?: number;
  /** The resend of this message, if there is one. */
  resend?: { id: string; createdAt: number };
}

/** Messages of unknown outcome that shared a call, or a single one with a call of its own. */
export interface UnknownMessages {
  caller: string;
  connectionId: string;
  broadcastId?: string;
  /** Absent: a single message. */
  lostCall?: string;
  template?: string;
  sentAt?: number;
  /** Numbers of unknown messages, of those that were looked up or sent again, and of messages of the call that are accepted now. */
  count: number;
  looked: number;
  resent: number;
  found: number;
  nextLookAt?: number;
  /** Of the newest one. */
  notAfter?: number;
  /** Id of the newest one. */
  sampleId: string;
}

export interface AttemptLog {
  /** Records why attempts were requeued, up to twenty for each message. Only shown to people; no decision uses it. */
  noteRequeued(attempts: readonly RequeuedAttempt[]): Promise<void>;
}

export interface OperatorMessageStore extends AttemptLog {
  /** Like `find`, for a message of any caller, with its history. */
  findAnyMessage(id: string): Promise<MessageHistory | undefined>;
  /** Like `findBroadcast`, for a broadcast of any caller. */
  findAnyBroadcast(id: string): Promise<StoredBroadcast | undefined>;
  /** Broadcasts that have not ended, newest first. */
  listOpenBroadcasts(limit: number): Promise<StoredBroadcast[]>;
  /** Returns the visible ones of these broadcasts. */
  findBroadcasts(ids: readonly string[]): Promise<StoredBroadcast[]>;
  /**
   * Lists groups by their newest message, newest first; not those that were sent again as a whole. A group is never split between pages. A page visits a bounded number of
   * messages, so it may be short or empty although there is a `next`. Throws RangeError for a cursor that this list did not return.
   */
  listUnknown(page: ListPage): Promise<{ groups: UnknownMessages[]; next?: string }>;
}
