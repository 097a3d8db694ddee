import type { QuotaLimits } from './quota-store.ts';

/** What is counted for each caller and day. */
export type CallerCountName = 'accepted' | 'rejected' | 'notSent' | 'unknown' | 'refused429';

export interface CallerCount {
  caller: string;
  name: CallerCountName;
  n: number;
}

/** Messages that still fit into each window; absent: no limit. */
export interface QuotasLeft {
  readonly hour?: number;
  readonly day?: number;
}

/** Counts of callers by day (UTC, wall clock), of all processes on one store. They are for people; nothing is decided by them. */
export interface CallerCountStore {
  /** Adds these to today's. */
  addCallerCounts(counts: readonly CallerCount[]): Promise<void>;
  /** Today's, in any order. */
  callerCountsToday(): Promise<CallerCount[]>;
  /** What is left of the quotas of these callers, by caller. */
  quotasLeft(limits: ReadonlyMap<string, QuotaLimits>): Promise<ReadonlyMap<string, QuotasLeft>>;
}
