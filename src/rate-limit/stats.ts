import type { Lane, LaneStats } from './types.ts';

const SECONDS = 10;

const empty = (): Omit<LaneStats, 'queued'> => ({ granted: 0, waitedMs: 0, rejected: 0, expired: 0 });

/** Counters for metrics. */
export class LimiterStats {
  readonly lanes: Record<Lane, Omit<LaneStats, 'queued'>> = {
    urgent: empty(),
    interactive: empty(),
    broadcast: empty(),
  };
  tooManyRequests = 0;
  /** Calls of each of the last seconds. */
  readonly #calls = Array.from({ length: SECONDS }, () => ({ second: Number.NaN, calls: 0 }));

  granted(lane: Lane, now: number, waitedMs: number): void {
    this.lanes[lane].granted++;
    this.lanes[lane].waitedMs += waitedMs;
    const second = Math.floor(now / 1_000);
    const index = ((second % SECONDS) + SECONDS) % SECONDS;
    const bucket = this.#calls[index];
    if (bucket?.second === second) bucket.calls++;
    else this.#calls[index] = { second, calls: 1 };
  }

  /** Over the last ten seconds, of which the present one is not over yet. */
  perSecond(now: number): number {
    const second = Math.floor(now / 1_000);
    let calls = 0;
    for (const bucket of this.#calls) if (bucket.second > second - SECONDS) calls += bucket.calls;
    return calls / (SECONDS - 1 + now / 1_000 - second);
  }
}
