import type { IntakeStore } from '../store/intake-store.ts';

interface WatchOptions {
  store: Pick<IntakeStore, 'noteListening'>;
  /** Connections that have a token. */
  connections: () => readonly string[];
  /** Webhooks of this connection may have been lost. Affected are messages that ended in the last `fromMs`. */
  onGap: (connectionId: string, fromMs: number) => void;
  onFault: (error: unknown) => void;
  everyMs?: number;
}

const noteEveryMs = 60_000;
/** A gap is reported after two missing notes. A single one can be missing because a write failed or the process was replaced. */
const gapMs = 2.5 * noteEveryMs;
/**
 * Most webhooks of a message arrive within this time after its send. A message that was sent this long before a gap, or later,
 * may have lost some of its webhooks in the gap.
 */
const leadMs = 2 * noteEveryMs;

/**
 * Writes a note each minute that the listener is up. A missing note, or a webhook that was refused, shows later that webhooks
 * may have been lost; the histories of the affected messages are then read. WATI repeats a refused webhook, unless it has
 * switched the webhook off.
 */
export class IntakeWatch {
  readonly #options: WatchOptions;
  #received = new Set<string>();
  #refused = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #noting: Promise<void> = Promise.resolve();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  received(connectionId: string): void {
    this.#received.add(connectionId);
  }

  refused(connectionId: string): void {
    this.#refused.add(connectionId);
  }

  /** Resolves after the first note, so that the poll worker, which starts later, finds it. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => {
      this.#noting = this.#noting.then(() => this.note());
    }, this.#options.everyMs ?? noteEveryMs).unref();
    this.#noting = this.note();
    await this.#noting;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#noting;
  }

  /** Writes one note. If the store fails, what was received and refused is kept for the next note. */
  async note(): Promise<void> {
    const { store, connections, onGap, onFault } = this.#options;
    const [received, refused] = [this.#received, this.#refused];
    [this.#received, this.#refused] = [new Set(), new Set()];
    try {
      const notes = connections().map((connectionId) => ({ connectionId, received: received.has(connectionId) }));
      for (const { connectionId, agoMs, wallAgoMs } of await store.noteListening(notes)) {
        const isGap = Math.max(agoMs, wallAgoMs) > gapMs || refused.has(connectionId);
        if (isGap) onGap(connectionId, agoMs + leadMs);
      }
    } catch (error) {
      for (const connectionId of received) this.#received.add(connectionId);
      for (const connectionId of refused) this.#refused.add(connectionId);
      onFault(error);
    }
  }
}
