import type { QuotaLimits } from './quota-store.ts';

/** Names of the counts that are kept for each caller and day. */
export type CallerCountName = 'accepted' | 'rejected' | 'notSent' | 'unknown' | 'refused429';

export interface CallerCount {
  caller: string;
  name: CallerCountName;
  n: number;
}

/** Remaining messages in each window; absent: no limit. */
export interface QuotasLeft {
  readonly hour?: number;
  readonly day?: number;
}

/** Counts by caller and day (UTC, wall clock) of all processes on one store. They are only shown to people; no decision uses them. */
export interface CallerCountStore {
  /** Adds to today's counts. */
  addCallerCounts(counts: readonly CallerCount[]): Promise<void>;
  /** Returns today's counts, in any order. */
  callerCountsToday(): Promise<CallerCount[]>;
  /** Returns the remaining quotas of these callers, by caller. */
  quotasLeft(limits: ReadonlyMap<string, QuotaLimits>): Promise<ReadonlyMap<string, QuotasLeft>>;
}
