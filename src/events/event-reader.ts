import type { StoredEvent } from '../store/event-store.ts';

/** The most that one reader keeps in memory. Beyond it, events are read from the database once they can be written out. */
const bytesMax = 128 * 1024;

/**
 * The events that one stream or long poll was handed and has not taken yet. A reader that is behind has to read from the database;
 * events handed to it meanwhile are not kept, so a slow reader costs no more memory than a fast one.
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

  /** Keeps all events handed over from now on. The caller of this reads the earlier ones from the database after this call. */
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

  /** Takes all events of its caller up to a number, in their order. */
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

  /** The events that wait, and the number up to which there are no others. */
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
