/** The most messages that a caller may record in a clock hour and in a UTC day; absent means unlimited. */
export interface QuotaLimits {
  readonly perHour?: number;
  readonly perDay?: number;
}

export interface QuotaLeft {
  /** Messages that still fit into `window`, the one of the two with fewer left. */
  readonly left: number;
  readonly window: 'hour' | 'day';
  readonly limit: number;
  /** Until the next window begins. */
  readonly endsInMs: number;
}

/** The request exceeds the caller's quota; nothing was recorded. */
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
 * Spent quotas, shared by all processes. `insert` and `publishBroadcast` charge in the transaction that records. Hours and days
 * are those of the wall clock.
 */
export interface QuotaStore {
  quotaLeft(caller: string, limits: QuotaLimits): Promise<QuotaLeft>;
  /** Charges messages without a record, for the rows of a CSV that has one record. Throws QuotaExceededError. */
  spendQuota(caller: string, n: number, limits: QuotaLimits): Promise<void>;
}
