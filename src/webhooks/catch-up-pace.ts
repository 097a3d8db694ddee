import { acquire } from '../rate-limit/gcra.ts';

/** Requests that may follow each other at once after a pause. */
const BURST = 8;

/**
 * Limits how many events a second the endpoints of this process are sent while they catch up: late, replayed and parked ones. A
 * receiver that was away for hours otherwise takes all CPU time that is left, and every other caller waits longer.
 */
export class CatchUpPace {
  readonly #rate: { perSecond: number; burst: number };
  readonly #monotonic: () => number;
  #arrivalTime = 0;

  /** `monotonic`: a monotonic clock, ms. */
  constructor(perSecond: number, monotonic: () => number) {
    this.#rate = { perSecond, burst: BURST };
    this.#monotonic = monotonic;
  }

  /** Milliseconds until another event may be sent. */
  get waitMs(): number {
    return acquire(this.#arrivalTime, this.#monotonic(), this.#rate).waitMs;
  }

  /** Counts an event that is sent. */
  take(): void {
    this.#arrivalTime = acquire(this.#arrivalTime, this.#monotonic(), this.#rate).arrivalTime;
  }
}
