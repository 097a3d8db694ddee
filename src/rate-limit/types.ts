/** The rate limiter of upstream calls: its port, and the types that its parts share. Imports nothing. */

/** Priority class of a call: who goes first. */
export type Lane = 'urgent' | 'interactive' | 'broadcast';
export const LANES: readonly Lane[] = ['urgent', 'interactive', 'broadcast'];

/** WATI counts its own limits per group of routes (docs/reference/upstream.md, "WATI's own limits"); all other calls have Maton's limit alone. */
export type RouteGroup =
  | 'contacts' // addContact, getContacts
  | 'messages' // getMessages
  | 'templates'; // sendTemplateMessages
/** `other`: calls that WATI counts in no group. */
export type Group = RouteGroup | 'other';
export const GROUPS: readonly Group[] = ['other', 'contacts', 'messages', 'templates'];

export type Plan = 'growth' | 'pro' | 'business' | 'none';

export interface PermitRequest {
  lane: Lane;
  caller: string;
  /** Of the caller among those of its lane; 1 by default. */
  weight?: number;
  group?: RouteGroup;
  /** The latest moment for the permit, by the limiter's clock; Infinity waits without limit. */
  deadline: number;
  signal?: AbortSignal;
}

/** A request that is not made yet. `callsBefore` more calls of its group go first; -1: it joins a call that is queued already. */
export type WaitEstimateRequest = Omit<PermitRequest, 'signal' | 'deadline'> & { callsBefore?: number };

/** A permit cannot be granted, or was not granted, before the deadline of its request. */
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
  /** Rejected on request: the estimate was beyond the deadline. */
  rejected: number;
  /** Queued, and expired because more urgent calls came. */
  expired: number;
}

export interface RateLimiterStats {
  /** Calls per second as learnt, and the part of it (0..1) that was used in the last ten seconds. */
  rate: number;
  used: number;
  pausedMs: number;
  /** `shared`: reservations of the source; `fallback`: a share of the limit while the source fails; `local`: there is no source. */
  mode: 'local' | 'shared' | 'fallback';
  replicas: number;
  /** Counter of 429 responses. */
  tooManyRequests: number;
  lanes: Record<Lane, LaneStats>;
  /** Of each limited group: calls per ten seconds as learnt, how many of them went out, how long it pauses. */
  groups: Partial<Record<RouteGroup, { limit: number; used: number; pausedMs: number }>>;
}

/** Lets calls out no faster than Maton and WATI take them. Every call asks: those of Maton's connections API count as well. */
export interface RateLimiter {
  /**
   * Resolves when one call may start, now. Rejects with RateLimitTimeoutError at once if that is estimated to be after `deadline`,
   * and at `deadline` if the estimate did not hold. Never waits while there is capacity.
   */
  acquire(ask: PermitRequest): Promise<void>;
  /** Whether a permit granted then (limiter's clock) may still be used: it has not expired, and no 429 came since. */
  isPermitValid(permitGrantedAt: number): boolean;
  /** The wait that `acquire` would estimate, ms; always finite. Asked before a message is stored. */
  expectedWaitMs(ask: WaitEstimateRequest): number;
  /** A 429: cooldown, half the rate, and slow recovery, of one group or (undefined) of all calls. */
  reportTooManyRequests(group: RouteGroup | undefined, retryAfterMs: number | undefined): void;
}

/** The limiter as its owner sees it. */
export interface OutboundRateLimiter extends RateLimiter {
  stats(): RateLimiterStats;
  /** Rejects what waits with LimiterClosedError. */
  close(): void;
}
