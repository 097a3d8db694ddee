import type { CallerCount, CallerCountName, CallerCountStore } from '../store/caller-count-store.ts';
import type { MessageStatus } from '../store/message-store.ts';

/** Interval of writes. A killed process loses the counts since its last write. */
const flushEveryMs = 5_000;

const names: Partial<Record<MessageStatus, CallerCountName>> = {
  accepted: 'accepted',
  rejected: 'rejected',
  not_sent: 'notSent',
  unknown: 'unknown',
};

type Counts = Readonly<Record<CallerCountName, number>>;
export const noCounts: Counts = { accepted: 0, rejected: 0, notSent: 0, unknown: 0, refused429: 0 };

/** Counts outcomes and refusals by caller in memory, and adds them to the store periodically, so that a send costs no extra write. */
export class CallerCounts {
  readonly #store: CallerCountStore;
  readonly #onFault: (error: unknown) => void;
  #pending = new Map<string, CallerCount>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(store: CallerCountStore, onFault: (error: unknown) => void) {
    this.#store = store;
    this.#onFault = onFault;
  }

  ended({ caller, status }: { caller: string; status: MessageStatus }): void {
    const name = names[status];
    if (name) this.#add({ caller, name, n: 1 });
  }

  refused(caller: string): void {
    this.#add({ caller, name: 'refused429', n: 1 });
  }

  /** Returns today's counts by caller, including those that this process has not written yet. */
  async today(): Promise<ReadonlyMap<string, Counts>> {
    const written = await this.#store.callerCountsToday();
    const sums = new Map<string, Record<CallerCountName, number>>();
    for (const { caller, name, n } of [...written, ...this.#pending.values()]) {
      const counts = sums.get(caller) ?? { ...noCounts };
      counts[name] += n;
      sums.set(caller, counts);
    }
    return sums;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#flush();
  }

  #add({ caller, name, n }: CallerCount): void {
    const key = `${name} ${caller}`;
    const known = this.#pending.get(key);
    if (known) known.n += n;
    else this.#pending.set(key, { caller, name, n });
    if (!this.#isClosed) this.#timer ??= setTimeout(() => void this.#flush(), flushEveryMs).unref();
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const counts = [...this.#pending.values()];
    if (counts.length === 0) return;
    this.#pending = new Map();
    try {
      await this.#store.addCallerCounts(counts);
    } catch (error) {
      this.#onFault(error);
      for (const count of counts) this.#add(count);
    }
  }
}
