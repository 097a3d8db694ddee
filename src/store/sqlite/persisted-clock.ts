/**
 * A monotonic clock that continues from the value saved by the previous process. Records age by it, so that a change of the
 * wall clock cannot expire anything. It stands still while the service is not running.
 */
export class PersistedClock {
  readonly #steady: () => number;
  readonly #from: number;
  readonly #base: number;

  constructor(base: number, steady: () => number) {
    this.#steady = steady;
    this.#from = steady();
    this.#base = base;
  }

  now(): number {
    return Math.floor(this.#base + Math.max(0, this.#steady() - this.#from));
  }
}
