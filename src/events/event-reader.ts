import type { StoredEvent } from '../store/event-store.ts';

/**
 * Maximum number of events that one reader keeps in memory. Beyond it, events are queried once they can be written
 * out.
 */
const bytesMax = 128 * 1024;

/**
 * Holds the events that were handed to one stream or long poll and not taken yet. A reader that is behind queries the
 * database; events handed to it meanwhile are not kept, so a slow reader uses no more memory than a fast one.
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

  /** Keeps all events handed over from now on. Earlier ones are queried after this call. */
  catchUp(): void {
    this.#waiting = [];
    this.#bytes = 0;
    this.#seenTo = 0;
    this.#isBehind = false;
  }

  /** Marks that events may have been missed. */
  fallBehind(): void {
    this.catchUp();
    this.#isBehind = true;
    this.#wake?.();
  }

  /** Accepts all events of its caller up to a number, in order. */
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

  /** Takes the waiting events, and the number up to which there are no others. */
  take(): { events: readonly StoredEvent[]; seenTo: number } {
    const taken = { events: this.#waiting, seenTo: this.#seenTo };
    this.#waiting = [];
    this.#bytes = 0;
    return taken;
  }

  /** Resolves when there is something to take or to query, when it is woken, or at the deadline. */
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

  /** Wakes the reader so that it checks whether it has to end. */
  wake(): void {
    this.#wake?.();
  }
}
