import type { DispatcherClock } from './dispatcher-services.ts';

/** Lets a loop rest between its passes. A wake-up during a pass skips the rest after it. */
export class Pulse {
  readonly #clock: Pick<DispatcherClock, 'wait'>;
  #isAwake = false;
  #resting = new AbortController();

  constructor(clock: Pick<DispatcherClock, 'wait'>) {
    this.#clock = clock;
  }

  /** Call when a pass begins. */
  begin(): void {
    this.#isAwake = false;
  }

  /** Wakes the loop, because there is something to do. */
  rouse(): void {
    this.#isAwake = true;
    this.#resting.abort();
  }

  async rest(ms: number): Promise<void> {
    if (this.#isAwake) return;
    this.#resting = new AbortController();
    await this.#clock.wait(ms, this.#resting.signal);
  }
}
