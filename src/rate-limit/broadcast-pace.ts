import type { RateLimiterStats } from './types.ts';
import { BROADCAST_EVERY } from './wait-estimate.ts';

/** Without a limit, calls are limited by how long they take. */
const unlimitedPerSecond = 20;

/** The calls a second that broadcasts together may expect now: what is left while others wait, else all that Maton and WATI allow. */
export function broadcastCallsPerSecond(stats: RateLimiterStats | undefined): number {
  if (!stats) return unlimitedPerSecond;
  const { rate, groups, lanes } = stats;
  const ofTemplates = groups.templates ? groups.templates.limit / 10 : Number.POSITIVE_INFINITY;
  const all = Math.min(rate, ofTemplates, 1_000);
  return lanes.urgent.queued + lanes.interactive.queued > 0 ? all / BROADCAST_EVERY : all;
}
