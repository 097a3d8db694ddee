import type { StoredMessage } from './message-store.ts';

/**
 * Looking for sends whose outcome is unknown. Types only, like message-store.ts, and held to by the same conformance suite. Those that
 * shared a lost call are known to have: one of them tells whether it went through, before the others are looked at.
 */

/** An unknown send that is to be looked for. */
export interface DueMessage extends StoredMessage {
  /** Which of its looks this is, from 1. */
  lookup: number;
}

/** One call whose answer was lost. */
export interface LostCall {
  /** When it went out, ISO 8601. */
  sentAt: string;
  /** How many it carried whose outcome was unknown then. */
  recipients: number;
  /** Found to have arrived since: any of them means that the call went through. */
  found: number;
  /** Still unknown, and looked for at least once. */
  looked: number;
}

export interface LookupProgress {
  /** Unknown ones that will be looked for and were not yet, or not since it was asked for. */
  left: number;
  /** Oldest first; at most a hundred, of at most 20,000 recipients. */
  lostCalls: LostCall[];
}

export interface ReconcileStore {
  /**
   * Unknown sends whose next look is due, each handed out once per due time: 1, 5, 15, 60 minutes after the send ended. First
   * one of each lost call, then the others, those first that have waited longest.
   */
  takeDueLookups(limit: number): Promise<DueMessage[]>;
  /** The same of those that went to the same person over the same connection: one read of the history serves them all. */
  takeDueOfRecipient(send: Pick<StoredMessage, 'to' | 'connectionId'>, limit: number): Promise<DueMessage[]>;
  /**
   * They were looked for; or could not be, and are due again in half a minute as if nothing had been, within two hours after
   * they ended.
   */
  recordLookups(ids: readonly string[], how: 'done' | 'failed'): Promise<void>;

  /**
   * Every unknown send of this broadcast is due, whatever was looked for before: a new round. While one goes on, what is left
   * of it is due now, and nothing else.
   */
  requestReconciliation(broadcastId: string): Promise<void>;
  reconcileProgress(broadcastId: string): Promise<LookupProgress>;
  /** How many looks of all broadcasts and single sends are due now or within a minute; counts no further than `limit`. */
  countDueLookups(limit: number): Promise<number>;
}
