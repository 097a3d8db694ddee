import type { StoredEvent } from '../store/event-store.ts';

/** Of events that wait to be written out. Beyond it they are read again when they can be written. */
const bytesMax = 128 * 1024;

/**
 * What one stream or long poll has been handed and has not taken yet. One that is behind has to read from the database; what is
 * handed over meanwhile is not kept, so that a slow reader costs no more than a fast one.
 */
export class EventReader {
  readonly caller: string;
  #waiting: StoredEvent[] = [];
  #bytes = 0;
  #seenTo = 0;
  #isBehind = true;
  #wake: (() => void) | undefined;

  constructor(caller: string) {
    this.caller = caller;
  }

  get isBehind(): boolean {
    return this.#isBehind;
  }

  /** From now on what is handed over is kept. What was recorded before is to be read after this call. */
  catchUp(): void {
    this.#waiting = [];
    this.#bytes = 0;
    this.#seenTo = 0;
    this.#isBehind = false;
  }

  /** It may have missed something. */
  fallBehind(): void {
    this.catchUp();
    this.#isBehind = true;
    this.#wake?.();
  }

  /** Of its caller, in their order: all that there are up to a number. */
  hand(events: readonly StoredEvent[], seenTo: number): void {
    if (this.#isBehind) return;
    for (const event of events) this.#bytes += event.data.length;
    if (this.#bytes > bytesMax) {
      this.fallBehind();
      return;
    }
    this.#waiting.push(...events);
    this.#seenTo = seenTo;
    if (events.length > 0) this.#wake?.();
  }

  /** What waits, and up to which number there is nothing else. */
  take(): { events: readonly StoredEvent[]; seenTo: number } {
    const taken = { events: this.#waiting, seenTo: this.#seenTo };
    this.#waiting = [];
    this.#bytes = 0;
    return taken;
  }

  /** Until there is something to take or to read, it is woken, or the time is over. */
  async wait(ms: number): Promise<void> {
    if (this.#isBehind || this.#waiting.length > 0 || ms <= 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  /** It looks whether it has to end. */
  wake(): void {
    this.#wake?.();
  }
}
