import type { FairQueue } from './fair-queue.ts';
import type { SlidingWindowLimit } from './sliding-window.ts';
import { GROUPS, type Group, type Lane, type LaneStats, type RateLimiterStats } from './types.ts';

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
  /** Calls in each of the last seconds. */
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

  ofLanes(queues: Readonly<Record<Lane, FairQueue>>): Record<Lane, LaneStats> {
    const of = (lane: Lane): LaneStats => ({ queued: queues[lane].size, ...this.lanes[lane] });
    return { urgent: of('urgent'), interactive: of('interactive'), broadcast: of('broadcast') };
  }

  /** Over the last ten seconds, including the current one, which is not over. */
  perSecond(now: number): number {
    const second = Math.floor(now / 1_000);
    let calls = 0;
    for (const bucket of this.#calls) if (bucket.second > second - SECONDS) calls += bucket.calls;
    return calls / (SECONDS - 1 + now / 1_000 - second);
  }
}

/** Groups that have a limit now. */
export function statsOfGroups(
  windows: Readonly<Record<Group, SlidingWindowLimit>>,
  now: number,
): RateLimiterStats['groups'] {
  const groups: RateLimiterStats['groups'] = {};
  for (const group of GROUPS) {
    const window = windows[group];
    const limit = window.limit(now);
    if (group === 'other' || limit === Number.POSITIVE_INFINITY) continue;
    groups[group] = { limit, used: window.used(now), pausedMs: window.pausedMs(now) };
  }
  return groups;
}
