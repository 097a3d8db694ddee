/**
 * The clock by which records age: it runs only while a process does, from where the last one left it. A step of the wall
 * clock cannot expire anything; time that the service was down is time that its records live longer.
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
