import type { Plan } from './types.ts';

/** Calls per month in WATI's plans; `none`: there is no limit. */
export const monthQuotas: Readonly<Record<Plan, number | undefined>> = {
  growth: 10_000,
  pro: 200_000,
  business: 20_000_000,
  none: undefined,
};

export interface ConnectionCalls {
  connectionId: string;
  n: number;
}

/** The store that replicas share. */
interface CallStore {
  countCalls(calls: readonly ConnectionCalls[]): Promise<void>;
  monthCalls(): Promise<readonly ConnectionCalls[]>;
}

/** Interval of writes. Calls that a killed process counted since its last write are lost. */
const flushEveryMs = 30_000;

/** Counts the calls of each connection to the gateway in this month (UTC), in memory, and adds them to the store from time to time. */
export class MonthCalls {
  readonly #store: CallStore;
  readonly #onFault: (error: unknown) => void;
  #pending = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(store: CallStore, onFault: (error: unknown) => void) {
    this.#store = store;
    this.#onFault = onFault;
  }

  count(connectionId: string, n = 1): void {
    this.#pending.set(connectionId, (this.#pending.get(connectionId) ?? 0) + n);
    if (!this.#isClosed) this.#timer ??= setTimeout(() => void this.#flush(), flushEveryMs).unref();
  }

  /** The connections with most calls, including those that this process has not written yet. */
  async reading(): Promise<ConnectionCalls[]> {
    const sums = new Map((await this.#store.monthCalls()).map(({ connectionId, n }) => [connectionId, n]));
    for (const [connectionId, n] of this.#pending) sums.set(connectionId, (sums.get(connectionId) ?? 0) + n);
    return [...sums].map(([connectionId, n]) => ({ connectionId, n }));
  }

  async of(connectionId: string): Promise<number> {
    return (await this.reading()).find((each) => each.connectionId === connectionId)?.n ?? 0;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#flush();
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const calls = [...this.#pending].map(([connectionId, n]) => ({ connectionId, n }));
    if (calls.length === 0) return;
    this.#pending = new Map();
    try {
      await this.#store.countCalls(calls);
    } catch (error) {
      this.#onFault(error);
      for (const { connectionId, n } of calls) this.count(connectionId, n);
    }
  }
}
