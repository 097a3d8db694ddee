import { type EventLoopUtilization, performance } from 'node:perf_hooks';

/** How many sends may be under way at once. */
export interface LoadLimiter {
  /** As things are now. */
  readonly limit: number;
}

export interface LoadLimiterOptions {
  max?: number;
  min?: number;
  /** Steady milliseconds. */
  clock?: () => number;
  /** The share of the time since `earlier` in which the event loop was busy, 0 to 1. */
  utilization?: (earlier?: EventLoopUtilization) => EventLoopUtilization;
}

const ADJUST_EVERY_MS = 250;
/** Above, whatever comes in waits for the event loop, health checks and 429s included. */
const BUSY = 0.85;

/**
 * Sends under way cost memory and CPU, so there are `max` of them at the most: well over what goes out in a second, so that
 * nobody is refused whom a group could have taken. While the event loop has no rest the room shrinks by a fifth every quarter
 * of a second, down to `min`, and grows again when it has: a refusal costs a quarter of a send, and so the others are told
 * in time. There is no timer, because a busy loop would hold it up: whoever asks looks.
 */
export function createLoadLimiter({
  max = 1_000,
  min = 200,
  clock = () => performance.now(),
  utilization = (earlier) => performance.eventLoopUtilization(earlier),
}: LoadLimiterOptions = {}): LoadLimiter {
  let limit = max;
  let adjustedAt = clock();
  let utilizationThen = utilization();
  const adjust = (now: number) => {
    const share = utilization(utilizationThen).utilization;
    // After a rest nothing is known of what comes now, and an idle loop may take a burst.
    const rested = now - adjustedAt > 4 * ADJUST_EVERY_MS && share < BUSY;
    if (rested) limit = max;
    else limit = share > BUSY ? Math.max(min, limit * 0.8) : Math.min(max, limit * 1.25);
    adjustedAt = now;
    utilizationThen = utilization();
  };
  return {
    get limit() {
      const now = clock();
      if (now - adjustedAt >= ADJUST_EVERY_MS) adjust(now);
      return limit;
    },
  };
}
