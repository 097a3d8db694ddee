/** Spaces calls evenly, by Maton's limit alone. */
export interface Pacer {
  /**
   * When the next call may start, or, if that is later, when to ask again. May start a reservation, and wakes the limiter when
   * it arrives.
   */
  nextSlotAt(now: number, perSecond: number): number;
  /** The same estimate without side effects. */
  expectedAt(now: number, perSecond: number): number;
  /** Records that a call starts now. */
  use(now: number, perSecond: number): void;
  /** No call starts before then. */
  blockUntil(until: number): void;
  /** The gap between two calls of this process. */
  gapMs(perSecond: number): number;
  readonly mode: 'local' | 'shared' | 'fallback';
  readonly replicas: number;
}

/** A rate of this much or more means that there is no limit. */
const UNLIMITED = 100_000;
/**
 * The share of the limit that is used. Eleven calls at the full limit are spaced over 1,000 ms and may not be late at all; with
 * 0.91 they take 1,099 ms, so one may be up to 98 ms late. With 0.95 that would be 52 ms, and a commit between permit and first
 * byte took longer on a busy machine.
 */
const USED_SHARE = 0.91;
/** Timers fire a millisecond late or more. At short intervals the delay is compensated within the unused share. */
const TIMER_LATENESS_MS = 20;

export function intervalMs(perSecond: number, use = USED_SHARE): number {
  return perSecond >= UNLIMITED ? 0 : 1_000 / (perSecond * use);
}

/** Even spacing by the local clock, measured from when a call actually started. After idle time one call may start at once, not several. */
export class LocalPacer implements Pacer {
  readonly mode = 'local';
  readonly replicas = 1;
  #next = Number.NEGATIVE_INFINITY;

  nextSlotAt(): number {
    return this.#next;
  }

  expectedAt(): number {
    return this.#next;
  }

  use(now: number, perSecond: number): void {
    const interval = intervalMs(perSecond);
    this.#next = (interval < TIMER_LATENESS_MS ? Math.max(this.#next, now - TIMER_LATENESS_MS) : now) + interval;
  }

  blockUntil(until: number): void {
    this.#next = Math.max(this.#next, until);
  }

  gapMs(perSecond: number): number {
    const interval = intervalMs(perSecond);
    return interval < TIMER_LATENESS_MS ? interval : interval + 1; // a timer comes late
  }
}
