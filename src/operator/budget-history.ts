import type { OutboundRateLimiter, RateLimiterStats } from '../rate-limit/types.ts';
import type { BudgetPoint } from '../schemas/operator-live.ts';

const intervalMs = 5_000;
const keptMs = 15 * 60_000;

interface Clocks {
  /** Wall clock, ms. */
  now: () => number;
  /** Monotonic, ms. */
  clock?: () => number;
}

interface Totals {
  atMs: number;
  granted: number;
  refused: number;
}

/** Records how the calls of this process used the rate limit in the last minutes. */
export class BudgetHistory {
  readonly intervalS = intervalMs / 1_000;
  readonly #limiter: Pick<OutboundRateLimiter, 'stats'> | undefined;
  readonly #now: () => number;
  readonly #clock: () => number;
  readonly #points: BudgetPoint[] = [];
  #before: Totals | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Stays empty without a limiter. */
  constructor(limiter: Pick<OutboundRateLimiter, 'stats'> | undefined, { now, clock }: Clocks) {
    this.#limiter = limiter;
    this.#now = now;
    this.#clock = clock ?? (() => performance.now());
    this.#before = limiter && this.#totals(limiter.stats());
  }

  /** Oldest first. */
  get points(): readonly BudgetPoint[] {
    return this.#points;
  }

  start(): void {
    if (this.#limiter) this.#timer ??= setInterval(() => this.sample(), intervalMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Adds the point of the interval that ends now. */
  sample(): void {
    if (!this.#limiter || !this.#before) return;
    const stats = this.#limiter.stats();
    const before = this.#before;
    const now = this.#totals(stats);
    this.#before = now;
    const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1_000);
    const { urgent, interactive, broadcast } = stats.lanes;
    this.#points.push({
      at: new Date(this.#now()).toISOString(),
      used: rounded((now.granted - before.granted) / seconds),
      callsPerSecond: rounded(stats.rate),
      waiting: { urgent: urgent.queued, interactive: interactive.queued, broadcast: broadcast.queued },
      refused: now.refused - before.refused,
    });
    if (this.#points.length > keptMs / intervalMs) this.#points.shift();
  }

  #totals({ lanes }: RateLimiterStats): Totals {
    let granted = 0;
    let refused = 0;
    for (const lane of Object.values(lanes)) {
      granted += lane.granted;
      refused += lane.rejected + lane.expired;
    }
    return { atMs: this.#clock(), granted, refused };
  }
}

const rounded = (value: number): number => Math.round(value * 100) / 100;
