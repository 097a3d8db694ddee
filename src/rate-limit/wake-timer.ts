/** Answers how to take it back. It may ring late. */
export type SetTimer = (run: () => void, ms: number) => () => void;

/** Rounded up: a timer that comes too early would only have to be set again. */
export const realTimer: SetTimer = (run, ms) => {
  const timer = setTimeout(run, Math.min(Math.ceil(ms), 2_147_483_647));
  return () => clearTimeout(timer);
};

/** One timer for all that wait: it rings at the earliest time that it was set to, and is then set anew. */
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
