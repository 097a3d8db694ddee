import type { RateLimiterStats } from './types.ts';
import { BROADCAST_EVERY } from './wait-estimate.ts';

/** Assumed calls per second without a limit: their duration limits them. */
const unlimitedPerSecond = 20;

/** Calls per second that all broadcasts together can expect: the share that is left while others wait, otherwise the whole limit. */
export function broadcastCallsPerSecond(stats: RateLimiterStats | undefined): number {
  if (!stats) return unlimitedPerSecond;
  const { rate, groups, lanes } = stats;
  const ofTemplates = groups.templates ? groups.templates.limit / 10 : Number.POSITIVE_INFINITY;
  const all = Math.min(rate, ofTemplates, 1_000);
  return lanes.urgent.queued + lanes.interactive.queued > 0 ? all / BROADCAST_EVERY : all;
}
