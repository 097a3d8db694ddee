import type { StoredMessage } from './message-store.ts';

/**
 * The schedule of reconciliation: when each unknown message is looked up in WATI's history. Like message-store.ts: types only.
 * One message of each lost call comes first, because it tells whether the whole call was processed.
 */

export interface DueMessage extends StoredMessage {
  /** The number of this lookup, from 1. */
  lookup: number;
}

/** A call for several recipients whose answer was lost. */
export interface LostCall {
  /** ISO 8601. */
  sentAt: string;
  /** Recipients whose outcome was unknown then. */
  recipients: number;
  /** How many of them were found since. One is proof that the call was processed. */
  found: number;
  /** Still unknown after at least one lookup. */
  looked: number;
}

export interface LookupProgress {
  /** Unknown messages that are scheduled, and not looked up yet or not since the last request; counts up to 20,000. */
  left: number;
  /** Oldest first; at most a hundred, of at most 20,000 recipients. */
  lostCalls: LostCall[];
}

export interface ReconcileStore {
  /**
   * Returns unknown messages whose lookup is due: 1, 5, 15 and 60 minutes after the end. Each lookup is returned once, to one
   * process. Order: one message of each lost call, then those that have waited longest.
   */
  takeDueLookups(limit: number): Promise<DueMessage[]>;
  /** The same for one recipient on one connection: a single read of the history serves them all. */
  takeDueOfRecipient(message: Pick<StoredMessage, 'to' | 'connectionId'>, limit: number): Promise<DueMessage[]>;
  /** `failed`: the history could not be read. It is due again in half a minute, up to two hours after the end. */
  recordLookups(ids: readonly string[], how: 'done' | 'failed'): Promise<void>;

  /**
   * Starts a round: every unknown message of this broadcast becomes due, whatever was looked up before. If a round is in
   * progress, only the rest of it becomes due now.
   */
  requestReconciliation(broadcastId: string): Promise<void>;
  reconcileProgress(broadcastId: string): Promise<LookupProgress>;
  /** Lookups of all messages that are due within a minute; counts up to `limit`. */
  countDueLookups(limit: number): Promise<number>;
}
