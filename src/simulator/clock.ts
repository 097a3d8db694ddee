/** The simulated upstream's time: the real time plus what it was moved forward. */
export interface Clock {
  /** Wall clock, ms. */
  now(): number;
  readonly advancedMs: number;
  advance(ms: number): void;
  reset(): void;
}

export function createClock(real: () => number, moved: () => void = () => {}): Clock {
  let advancedMs = 0;
  return {
    now: () => real() + advancedMs,
    get advancedMs() {
      return advancedMs;
    },
    advance(ms) {
      advancedMs += ms;
      moved();
    },
    reset() {
      advancedMs = 0;
    },
  };
}
