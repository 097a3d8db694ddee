import type { DispatcherClock } from './dispatcher-services.ts';

/** Lets a loop rest between its passes. What happens during a pass ends the rest behind it at once. */
export class Pulse {
  readonly #clock: Pick<DispatcherClock, 'wait'>;
  #isAwake = false;
  #resting = new AbortController();

  constructor(clock: Pick<DispatcherClock, 'wait'>) {
    this.#clock = clock;
  }

  /** A pass begins. */
  begin(): void {
    this.#isAwake = false;
  }

  /** There is something to do. */
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
