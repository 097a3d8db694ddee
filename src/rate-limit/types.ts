/** The words of the budget: what is asked of it, and what it answers. */

export type Lane = 'urgent' | 'interactive' | 'broadcast';
export const LANES: readonly Lane[] = ['urgent', 'interactive', 'broadcast'];

/** WATI counts its own limits per group of routes (docs/reference/upstream.md, "WATI's own limits"); all other calls have Maton's limit alone. */
export type RouteGroup =
  | 'contacts' // addContact, getContacts
  | 'messages' // getMessages
  | 'templates'; // sendTemplateMessages
/** With a name for the calls that no group of WATI's counts. */
export type Group = RouteGroup | 'other';
export const GROUPS: readonly Group[] = ['other', 'contacts', 'messages', 'templates'];

export type Plan = 'growth' | 'pro' | 'business' | 'none';

export interface PermitRequest {
  lane: Lane;
  caller: string;
  /** Of the caller among those of its lane; 1 by default. */
  weight?: number;
  group?: RouteGroup;
  /** The latest moment of its turn, by the budget's clock; Infinity waits for ever. */
  untilMs: number;
  signal?: AbortSignal;
}

/** An ask that is not made yet: `callsBefore` more of its group go first; -1: it shares a call that waits already. */
export type WaitEstimateRequest = Omit<PermitRequest, 'signal' | 'untilMs'> & { callsBefore?: number };

/** The turn of an ask cannot come, or did not come, in its time. */
export class RateLimitTimeoutError extends Error {
  override readonly name = 'RateLimitTimeoutError';
  /** When a repeat with the same patience has a chance, if nothing else comes meanwhile. */
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

/** A slot of the calls that all replicas share. */
export interface Reservation {
  /** From `nowMs` until the call may go out. */
  waitMs: number;
  /** The clock of the source when it answered; any steady milliseconds that all replicas see alike. */
  nowMs: number;
  /** How many share the slots, this one included. */
  replicas: number;
}

/** Several replicas share the account's ten: where the next slot comes from (src/store/coordination-store.ts is the same port). */
export interface ReservationSource {
  /** Takes the next slot, and puts the one after it `intervalMs` later. */
  reservePermit(intervalMs: number): Promise<Reservation>;
  /** The upstream said not before then: no slot of anybody earlier than `ms` from now. */
  blockReservations(ms: number): Promise<void>;
}

export interface LaneStats {
  queued: number;
  /** These only grow. `waitedMs` is the sum over what was granted. */
  granted: number;
  waitedMs: number;
  /** Told at once that its turn cannot come in time. */
  rejected: number;
  /** Accepted, and then not reached in its time because more urgent ones came. */
  expired: number;
}

export interface RateLimiterStats {
  /** Calls per second as learnt, of which `used` (0..1) went out in the last ten seconds. */
  rate: number;
  used: number;
  pausedMs: number;
  /** `shared`: by slots of the source; `share`: the source fails, and this is our careful part; `own`: there is none. */
  mode: 'local' | 'shared' | 'fallback';
  replicas: number;
  /** 429s met, which only grows. */
  tooManyRequests: number;
  lanes: Record<Lane, LaneStats>;
  /** Of each limited group: calls per ten seconds as learnt, how many of them went out, how long it pauses. */
  groups: Partial<Record<RouteGroup, { limit: number; used: number; pausedMs: number }>>;
}

/** Lets calls out no faster than Maton and WATI take them. Every call asks: those of Maton's connections API count as well. */
export interface RateLimiter {
  /**
   * Resolves when one call may go out, now. Rejects with RateLimitTimeoutError at once if its turn cannot come before `untilMs`, and
   * at `untilMs` if it was expected and did not come. Nothing waits while budget is free.
   */
  acquire(ask: PermitRequest): Promise<void>;
  /** Whether a turn that was given out then, by the budget's clock, may still be used: it is not late, and no 429 came since. */
  isPermitValid(permitGrantedAt: number): boolean;
  /** What `take` would reckon with, without taking; always finite. Asked before a send is recorded. */
  expectedWaitMs(ask: WaitEstimateRequest): number;
  /** A 429 was met, on a call of that group, or by all calls: silence until then, half the rate, and slow recovery. */
  reportTooManyRequests(group: RouteGroup | undefined, retryAfterMs: number | undefined): void;
}

/** The limiter as its owner sees it. */
export interface OutboundRateLimiter extends RateLimiter {
  stats(): RateLimiterStats;
  /** Rejects what waits with LimiterClosedError. */
  close(): void;
}
