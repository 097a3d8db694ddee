import type { IntakeStore } from '../store/intake-store.ts';

interface WatchOptions {
  store: Pick<IntakeStore, 'noteListening'>;
  /** Connections that have a token. */
  connections: () => readonly string[];
  /** Webhooks of this connection may have been lost, of messages that ended in the last so many ms. */
  onGap: (connectionId: string, fromMs: number) => void;
  onFault: (error: unknown) => void;
  everyMs?: number;
}

const noteEveryMs = 60_000;
/** One note may be missed: it failed, or the process was replaced. */
const gapMs = 2.5 * noteEveryMs;
/** Webhooks of a message mostly come within this time: one that went out so long before a gap may lack some. */
const leadMs = 2 * noteEveryMs;

/**
 * Notes each minute that webhooks are listened for, so that it is known afterwards when nobody did, or when they were refused. WATI
 * repeats what was refused, unless it has switched the webhook off.
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

  /** What cannot be noted now is noted the next time. */
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
