import { vi } from 'vitest';

/**
 * From here on performance.now(), by which the service ages what it keeps, stands still but for what the test adds. Timers go
 * on. For files whose tests come one after another; `vi.restoreAllMocks()` lets it go.
 */
export function standingClock(): { pass(ms: number): void } {
  // Whole milliseconds, so that sums are exact.
  let now = Math.ceil(performance.now());
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  return {
    pass: (ms) => {
      now += ms;
    },
  };
}
