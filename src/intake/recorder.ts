/** One event, as it is recorded. */
export interface IntakeRow {
  /** Tells repeats apart: hexadecimal SHA-256. */
  readonly key: string;
  /** From the token alone. */
  readonly connectionId: string;
  /** Wall clock, ms. */
  readonly receivedAtMs: number;
  /** The JSON text of the one event. */
  readonly body: string;
}

/** Where events become durable: the store, or the spool in front of it. */
export interface IntakeSink {
  /** One commit; resolves when it is durable. Answers the keys that were new; absent, where it does not look for repeats. */
  record(rows: readonly IntakeRow[]): Promise<{ newKeys?: readonly string[] }>;
}

export interface Recorded {
  /** Of each row, whether it is new. */
  readonly isNew: readonly boolean[];
  /** Whether anybody looked for repeats. */
  readonly isCompared: boolean;
}

/** It could not be recorded now; the sender is asked to come again. */
export class NotRecorded extends Error {
  override readonly name = 'NotRecorded';
}

export interface RecorderOptions {
  sink: IntakeSink;
  /** Requests that may wait at once. */
  inFlightMax: number;
  /** How long one waits for its commit, ms. */
  waitMs: number;
  /** Between two tries while the sink fails, ms. */
  retryMs?: number;
  /** Hears once when the sink begins to fail, and is not told each try. */
  onFault?: (error: unknown) => void;
}

interface Waiting {
  readonly rows: readonly IntakeRow[];
  resolve(recorded: Recorded): void;
}

/** So many rows share one commit at most; a request is never split. */
const groupRowsMax = 256;

/**
 * Records what webhooks bring in. While one commit is under way, what comes in waits and shares the next one: a
 * transaction for each event would be twenty times slower on PostgreSQL, and a timer would only add to the wait. While the
 * sink fails a request is held, because each 503 counts towards WATI's hundred failures in a row.
 */
export class IntakeRecorder {
  readonly #options: RecorderOptions;
  readonly #waiting: Waiting[] = [];
  /** Those that are waited for still. */
  readonly #held = new Set<Waiting>();
  /** So many share a commit at most: few after a failure. */
  #requestsMax = Number.POSITIVE_INFINITY;
  #isRunning = false;
  #isFailing = false;
  #retry: { timer: NodeJS.Timeout; go: () => void } | undefined;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Whether one more would find no place. */
  get isFull(): boolean {
    return this.#held.size >= this.#options.inFlightMax;
  }

  get inFlight(): number {
    return this.#held.size;
  }

  /** Resolves when the rows are durable; throws NotRecorded. */
  async record(rows: readonly IntakeRow[]): Promise<Recorded> {
    if (this.isFull) throw new NotRecorded('too many wait');
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Recorded>((resolve, reject) => {
        const waiting = { rows, resolve };
        timer = setTimeout(() => {
          this.#giveUp(waiting);
          reject(new NotRecorded('the store did not record in time'));
        }, this.#options.waitMs);
        this.#waiting.push(waiting);
        this.#held.add(waiting);
        void this.#run();
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends a pause between two tries: what waits is tried now. */
  wake(): void {
    if (this.#retry === undefined) return;
    clearTimeout(this.#retry.timer);
    this.#retry.go();
  }

  /** It may be in a commit that hangs, or waits to be tried again: recorded after all, it makes its repeat a duplicate. */
  #giveUp(waiting: Waiting): void {
    this.#held.delete(waiting);
    const at = this.#waiting.indexOf(waiting);
    if (at !== -1) this.#waiting.splice(at, 1);
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // What comes in during this turn of the event loop belongs to the first group.
    await new Promise<void>((resolve) => setImmediate(resolve));
    for (let group = this.#nextGroup(); group.length > 0; group = this.#nextGroup()) await this.#commit(group);
    this.#isRunning = false;
  }

  #nextGroup(): Waiting[] {
    const group: Waiting[] = [];
    let rows = 0;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (group.length >= this.#requestsMax) break;
      if (group.length > 0 && rows + next.rows.length > groupRowsMax) break;
      this.#waiting.shift();
      group.push(next);
      rows += next.rows.length;
    }
    return group;
  }

  async #commit(group: Waiting[]): Promise<void> {
    try {
      const { newKeys } = await this.#options.sink.record(group.flatMap(({ rows }) => rows));
      this.#isFailing = false;
      this.#requestsMax *= 2;
      // Of two rows with one key the first is the new one.
      const fresh = newKeys && new Set(newKeys);
      for (const each of group) {
        this.#held.delete(each);
        each.resolve({ isNew: each.rows.map(({ key }) => fresh?.delete(key) ?? true), isCompared: fresh !== undefined });
      }
    } catch (error) {
      if (!this.#isFailing) this.#options.onFault?.(error);
      this.#isFailing = true;
      const left = group.filter((each) => this.#held.has(each));
      // Should one request be at fault, the others are told apart from it by halves, and do not wait behind it.
      if (group.length > 1) this.#waiting.unshift(...left);
      else this.#waiting.push(...left);
      this.#requestsMax = Math.max(1, Math.floor(group.length / 2));
      await this.#pause();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        this.#retry = undefined;
        resolve();
      };
      this.#retry = { timer: setTimeout(go, this.#options.retryMs ?? 250), go };
    });
  }
}
