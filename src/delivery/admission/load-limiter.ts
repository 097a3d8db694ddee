import { type EventLoopUtilization, performance } from 'node:perf_hooks';

/** How many sends may be under way at once. */
export interface Room {
  /** As things are now. */
  readonly size: number;
}

export interface RoomOptions {
  max?: number;
  min?: number;
  /** Steady milliseconds. */
  clock?: () => number;
  /** The share of the time since `earlier` in which the event loop was busy, 0 to 1. */
  utilization?: (earlier?: EventLoopUtilization) => EventLoopUtilization;
}

const LOOK_EVERY_MS = 250;
/** Above, whatever comes in waits for the event loop, health checks and 429s included. */
const BUSY = 0.85;

/**
 * Sends under way cost memory and CPU, so there are `max` of them at the most: well over what goes out in a second, so that
 * nobody is refused whom a group could have taken. While the event loop has no rest the room shrinks by a fifth every quarter
 * of a second, down to `min`, and grows again when it has: a refusal costs a quarter of a send, and so the others are told
 * in time. There is no timer, because a busy loop would hold it up: whoever asks looks.
 */
export function createRoom({
  max = 1_000,
  min = 200,
  clock = () => performance.now(),
  utilization = (earlier) => performance.eventLoopUtilization(earlier),
}: RoomOptions = {}): Room {
  let size = max;
  let lookedAt = clock();
  let seen = utilization();
  const look = (now: number) => {
    const share = utilization(seen).utilization;
    // After a rest nothing is known of what comes now, and an idle loop may take a burst.
    const rested = now - lookedAt > 4 * LOOK_EVERY_MS && share < BUSY;
    if (rested) size = max;
    else size = share > BUSY ? Math.max(min, size * 0.8) : Math.min(max, size * 1.25);
    lookedAt = now;
    seen = utilization();
  };
  return {
    get size() {
      const now = clock();
      if (now - lookedAt >= LOOK_EVERY_MS) look(now);
      return size;
    },
  };
}
