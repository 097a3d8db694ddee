/** The port of the rate limiter for upstream calls, and the types that its parts share. Imports nothing. */

/** Priority class of a call. */
export type Lane = 'urgent' | 'interactive' | 'broadcast';
export const LANES: readonly Lane[] = ['urgent', 'interactive', 'broadcast'];

/**
 * WATI has limits of its own per group of routes (docs/reference/upstream.md, "WATI's own limits"); all other calls have
 * Maton's limit alone.
 */
export type RouteGroup =
  | 'contacts' // addContact, getContacts
  | 'messages' // getMessages
  | 'templates'; // sendTemplateMessages
/** `other`: calls without a limit of WATI's own. */
export type Group = RouteGroup | 'other';
export const GROUPS: readonly Group[] = ['other', 'contacts', 'messages', 'templates'];

export type Plan = 'growth' | 'pro' | 'business' | 'none';

export interface PermitRequest {
  lane: Lane;
  caller: string;
  /** The caller's weight among the callers of its lane; 1 by default. */
  weight?: number;
  group?: RouteGroup;
  /** The latest time for the permit, by the limiter's clock; Infinity waits without a limit. */
  deadline: number;
  signal?: AbortSignal;
}

/** Where a request that is not made yet would be in the queue of its group. */
export interface PlaceInQueue {
  /** Calls that come first and are not queued yet. */
  callsBefore: number;
  /** It needs no permit of its own, because it shares the call of one that is queued already. */
  joinsQueuedCall: boolean;
}

/** A request that is not made yet; by default nothing comes before it but what is queued. */
export type WaitEstimateRequest = Omit<PermitRequest, 'signal' | 'deadline'> & {
  [Key in keyof PlaceInQueue]?: PlaceInQueue[Key] | undefined;
};

/** The permit could not be granted before the deadline of its request. */
export class RateLimitTimeoutError extends Error {
  override readonly name = 'RateLimitTimeoutError';
  /** When a repeat with the same timeout may succeed, if no other requests arrive. */
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number) {
    super(`no permit in time: ${Math.ceil(retryAfterMs)} ms from now there may be one`);
    this.retryAfterMs = retryAfterMs;
  }
}

export class LimiterClosedError extends Error {
  override readonly name = 'LimiterClosedError';

  constructor() {
    super('no more permits: the service is shutting down');
  }
}

export interface LaneStats {
  queued: number;
  /** Counters. `waitedMs` is the sum over granted permits. */
  granted: number;
  waitedMs: number;
  /** Rejected at once, because the estimated wait exceeded the deadline. */
  rejected: number;
  /** Queued, and expired because more urgent calls came first. */
  expired: number;
}

export interface RateLimiterStats {
  /** Calls per second after reductions by 429s, and the share of it (0..1) that was used in the last ten seconds. */
  rate: number;
  used: number;
  pausedMs: number;
  /** `shared`: reservations from the source; `fallback`: a share of the limit while the source fails; `local`: there is no source. */
  mode: 'local' | 'shared' | 'fallback';
  replicas: number;
  /** Counter of 429 responses. */
  tooManyRequests: number;
  lanes: Record<Lane, LaneStats>;
  /** For each limited group: calls per ten seconds after reductions, how many were made, and how long it pauses. */
  groups: Partial<Record<RouteGroup, { limit: number; used: number; pausedMs: number }>>;
}

/** Limits upstream calls to the rate of Maton and WATI. Every call acquires a permit, calls to Maton's connections API included. */
export interface RateLimiter {
  /**
   * Resolves when one call may start, now. Rejects with RateLimitTimeoutError at once if the estimate is after `deadline`, and
   * at `deadline` if the estimate did not hold. Resolves without waiting while there is capacity.
   */
  acquire(ask: PermitRequest): Promise<void>;
  /** Whether a permit granted at that time (limiter's clock) may still be used: it has not expired, and no 429 came since. */
  isPermitValid(permitGrantedAt: number): boolean;
  /** The wait that `acquire` would estimate, ms; always finite. Admission uses it before a message is stored. */
  expectedWaitMs(ask: WaitEstimateRequest): number;
  /** Reports a 429: a cooldown, half the rate, and slow recovery, of one group or (undefined) of all calls. */
  reportTooManyRequests(group: RouteGroup | undefined, retryAfterMs: number | undefined): void;
}

/** The limiter with the operations for its owner. */
export interface OutboundRateLimiter extends RateLimiter {
  stats(): RateLimiterStats;
  /** Rejects queued requests with LimiterClosedError. */
  close(): void;
}
