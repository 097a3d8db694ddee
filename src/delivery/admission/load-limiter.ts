import { type EventLoopUtilization, performance } from 'node:perf_hooks';

/** The limit of messages in delivery at the same time. */
export interface LoadLimiter {
  /** The current limit. It follows the load of the event loop. */
  readonly limit: number;
}

export interface LoadLimiterOptions {
  max?: number;
  min?: number;
  /** Monotonic milliseconds. */
  clock?: () => number;
  /** The share of the time since `earlier` in which the event loop was busy, 0 to 1. */
  utilization?: (earlier?: EventLoopUtilization) => EventLoopUtilization;
}

const ADJUST_EVERY_MS = 250;
/** Above this utilization every request waits for the event loop, including health checks and 429s. */
const BUSY = 0.85;

/**
 * An adaptive concurrency limit. Each message in delivery costs memory and CPU, so at most `max` are admitted, enough for batches
 * to be full. While the event loop is saturated, the limit shrinks by a fifth every 250 ms,
 * down to `min`, and grows again afterwards: a refusal costs a quarter of a delivery. It is adjusted when it is read, because
 * a saturated loop would delay a timer.
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
    // After an idle period the old measurement is meaningless, and an idle loop can take a burst.
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
