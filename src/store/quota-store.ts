/** How many messages a caller may have recorded in a clock hour and in a day of UTC; absent: as many as it likes. */
export interface QuotaLimits {
  readonly perHour?: number;
  readonly perDay?: number;
}

export interface QuotaLeft {
  /** How many more messages fit now, of the window that has fewer left. */
  readonly left: number;
  readonly window: 'hour' | 'day';
  /** Of that window. */
  readonly limit: number;
  /** Until it begins anew. */
  readonly endsInMs: number;
}

/** It would be more than the caller's quota lets it; nothing was recorded. */
export class QuotaExceededError extends Error {
  override readonly name = 'QuotaExceededError';
  readonly requested: number;
  readonly state: QuotaLeft;

  constructor(asked: number, state: QuotaLeft) {
    super(`${asked} would be more than the ${state.left} that are left of ${state.limit}`);
    this.requested = asked;
    this.state = state;
  }
}

/**
 * What callers have spent of their quotas, over all processes and restarts. `insert` and `publishBroadcast` spend in the
 * transaction that records; the wall clock says which hour and day it is.
 */
export interface QuotaStore {
  quotaLeft(caller: string, limits: QuotaLimits): Promise<QuotaLeft>;
  /** Spends without a record: the rows of a CSV that has one record for all. Throws QuotaExceededError. */
  spendQuota(caller: string, n: number, limits: QuotaLimits): Promise<void>;
}
