import type { Group, Lane, Plan } from './types.ts';

const RECOVERY_STEP_MS = 10_000;
/** The share of the full limit that is regained with each step: of 10 per second, 0.5. From half the rate, recovery takes 100 s. */
const RECOVERY_STEP = 0.05;
const MIN_SHARE = 0.05;

/** Additive increase, multiplicative decrease: a 429 halves the limit, which then recovers step by step. */
export class AimdRate {
  readonly full: number;
  #low: number;
  #since = Number.NEGATIVE_INFINITY;

  constructor(full: number) {
    this.full = full;
    this.#low = full;
  }

  at(now: number): number {
    if (this.#low === this.full) return this.full;
    const steps = Math.floor(Math.max(0, now - this.#since) / RECOVERY_STEP_MS);
    const limit = this.#low + steps * RECOVERY_STEP * this.full;
    if (limit < this.full) return limit;
    this.#low = this.full;
    return this.full;
  }

  decrease(now: number, resumesAt: number): void {
    this.#low = Math.max(this.full * MIN_SHARE, this.at(now) / 2);
    this.#since = resumesAt;
  }
}

const RETRY_AFTER_DEFAULT_MS = 1_000;
const RETRY_AFTER_MAX_MS = 60_000;

/** The cooldown after a 429: its Retry-After, at most a minute; a second if it has none or a malformed one. */
export function cooldownMs(retryAfterMs: number | undefined): number {
  if (retryAfterMs === undefined || !(retryAfterMs > 0)) return RETRY_AFTER_DEFAULT_MS;
  return Math.min(retryAfterMs, RETRY_AFTER_MAX_MS);
}

/** WATI counts the calls in any ten seconds. */
const PLAN_SPAN_MS = 10_000;
const templates: Readonly<Record<Plan, number>> = {
  growth: 30,
  pro: 60,
  business: 100,
  none: Number.POSITIVE_INFINITY,
};

function planLimit(plan: Plan, group: Group): number {
  if (group === 'other' || plan === 'none') return Number.POSITIVE_INFINITY;
  return group === 'contacts' || group === 'messages' ? 10 : templates[plan];
}

/** Network jitter: two calls that start ten seconds apart may arrive at a shorter interval. */
const JITTER_MS = 50;
const SPAN_MS = PLAN_SPAN_MS + JITTER_MS;

/**
 * The share of a group's calls that a lane leaves to the lanes before it. Otherwise a broadcast could take all calls of ten
 * seconds at once, and a login code would wait for the next ten.
 */
const RESERVED_SHARE: Readonly<Record<Lane, number>> = { urgent: 0, interactive: 0.04, broadcast: 0.2 };

/** The calls of one route group: at most its limit in any ten seconds, without spacing while there is capacity. */
export class SlidingWindowLimit {
  readonly #unlimited: boolean;
  /** In a group without a limit, a 429 halves the rate of the whole account. */
  readonly #rate: AimdRate;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  /** When the calls of the last ten seconds started, and which of them were broadcasts. */
  #times: number[] = [];
  #broadcasts: number[] = [];
  /** Each replica uses its share of the limit. */
  replicas = 1;

  constructor(limit: number, perSecond: number) {
    this.#unlimited = limit === Number.POSITIVE_INFINITY;
    this.#rate = new AimdRate(this.#unlimited ? (perSecond * PLAN_SPAN_MS) / 1_000 : limit);
  }

  limit(now: number): number {
    const limit = this.#rate.at(now);
    if (this.#unlimited && limit === this.#rate.full) return Number.POSITIVE_INFINITY;
    return Math.max(1, Math.floor(limit / this.replicas));
  }

  used(now: number): number {
    this.#dropExpired(now);
    return this.#times.length;
  }

  pausedMs(now: number): number {
    return Math.max(0, this.#pausedUntil - now);
  }

  record(now: number, lane: Lane): void {
    if (this.limit(now) === Number.POSITIVE_INFINITY) return;
    this.#times.push(now);
    if (lane === 'broadcast') this.#broadcasts.push(now);
  }

  /** A 429 during the cooldown belongs to an earlier call. It may prolong the cooldown, and is no new information otherwise. */
  reportTooManyRequests(now: number, ms: number): void {
    const until = Math.max(this.#pausedUntil, now + ms);
    if (now >= this.#pausedUntil) this.#rate.decrease(now, until);
    this.#pausedUntil = until;
  }

  isOpen(now: number, lane: Lane): boolean {
    return this.availableAt(now, lane) <= now;
  }

  /**
   * When the next call of this lane may start. A broadcast that used less than its share may borrow from single sends;
   * otherwise steady single sends could starve it. A broadcast that filled the group alone may not borrow, or it would starve
   * them.
   */
  availableAt(now: number, lane: Lane): number {
    const at = this.availableAfter(now, 0, lane);
    if (lane !== 'broadcast' || at <= now) return at;
    const before = this.#broadcasts.at(-Math.floor(this.limit(now) * RESERVED_SHARE.broadcast));
    return Math.min(
      at,
      Math.max(this.availableAfter(now, 0, 'interactive'), (before ?? Number.NEGATIVE_INFINITY) + SPAN_MS),
    );
  }

  /** When a call of this lane may start if `ahead` calls of its group come before it. */
  availableAfter(now: number, ahead: number, lane: Lane): number {
    const start = Math.max(now, this.#pausedUntil);
    const whole = this.limit(now);
    if (whole === Number.POSITIVE_INFINITY) return start;
    const limit = whole - Math.floor(whole * RESERVED_SHARE[lane]);
    this.#dropExpired(now);
    const before = this.#times[this.#times.length - limit + (ahead % limit)];
    const first = before === undefined ? start : Math.max(start, before + SPAN_MS);
    return first + Math.floor(ahead / limit) * SPAN_MS;
  }

  /** How many calls may start between now and then. */
  capacityUntil(now: number, until: number): number {
    const start = Math.max(now, this.#pausedUntil);
    if (until < start) return 0;
    const limit = this.limit(now);
    if (limit === Number.POSITIVE_INFINITY) return limit;
    const whole = Math.floor((until - start) / SPAN_MS);
    let places = whole * limit;
    while (places < (whole + 2) * limit && this.availableAfter(now, places, 'urgent') <= until) places++;
    return places;
  }

  #dropExpired(now: number): void {
    dropExpired(this.#times, now);
    dropExpired(this.#broadcasts, now);
  }
}

function dropExpired(times: number[], now: number): void {
  const kept = times.findIndex((time) => time + SPAN_MS > now);
  times.splice(0, kept < 0 ? times.length : kept);
}

export function createWindows(plan: Plan, perSecond: number): Record<Group, SlidingWindowLimit> {
  const window = (group: Group): SlidingWindowLimit => new SlidingWindowLimit(planLimit(plan, group), perSecond);
  return {
    other: window('other'),
    contacts: window('contacts'),
    messages: window('messages'),
    templates: window('templates'),
  };
}
