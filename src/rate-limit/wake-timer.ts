/** Returns a function that cancels the timer. It may fire late. */
export type SetTimer = (run: () => void, ms: number) => () => void;

/** Rounds up: a timer that fires early would have to be set again. */
export const realTimer: SetTimer = (run, ms) => {
  const timer = setTimeout(run, Math.min(Math.ceil(ms), 2_147_483_647));
  return () => clearTimeout(timer);
};

/** One timer for all queued permits: fires at the earliest time it was scheduled for; then it has to be scheduled again. */
export class WakeTimer {
  readonly #setTimer: SetTimer;
  readonly #fire: () => void;
  #set: { at: number; cancel: () => void } | undefined;

  constructor(setTimer: SetTimer, ring: () => void) {
    this.#setTimer = setTimer;
    this.#fire = ring;
  }

  schedule(at: number, now: number): void {
    if (at === Number.POSITIVE_INFINITY || (this.#set !== undefined && this.#set.at <= at)) return;
    this.clear();
    const fire = (): void => {
      this.#set = undefined;
      this.#fire();
    };
    this.#set = { at, cancel: this.#setTimer(fire, Math.max(0, at - now)) };
  }

  clear(): void {
    this.#set?.cancel();
    this.#set = undefined;
  }
}
