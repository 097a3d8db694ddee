import { setTimeout as sleep } from 'node:timers/promises';
import type { IntakeRow } from '../store/intake-store.ts';

/** Makes events durable: the store, or the spool in front of it. */
export interface IntakeSink {
  /** Writes all rows with one commit; resolves when they are durable. `duplicates` is absent if repeats are not looked for. */
  recordIntake(rows: readonly IntakeRow[]): Promise<Recorded>;
}

export interface Recorded {
  readonly received: number;
  readonly duplicates?: number;
}

/** It could not be recorded now; the sender is asked to come again. */
export class NotRecorded extends Error {
  override readonly name = 'NotRecorded';
}

interface RecorderOptions {
  sink: IntakeSink;
  /** Requests that may wait at once. */
  inFlightMax: number;
  /** Time that a request waits for its commit, ms. */
  waitMs: number;
  /** Between two tries of one request, ms. */
  retryMs?: number;
  /** Hears when the sink begins to fail, and not of each try. */
  onFault?: (error: unknown) => void;
}

/**
 * Records the events of a webhook, and holds its request while the sink fails: each 503 counts towards WATI's hundred failures in
 * a row, and most outages are over in seconds. Events that arrive during a commit share the next one, which the sink sees to.
 */
export class IntakeRecorder {
  readonly #options: RecorderOptions;
  #inFlight = 0;
  #isFailing = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Whether one more would find no place. */
  get isFull(): boolean {
    return this.#inFlight >= this.#options.inFlightMax;
  }

  /** Resolves when the rows are durable; throws NotRecorded. `onOver` hears when nothing holds the rows any more. */
  async record(rows: readonly IntakeRow[], onOver: () => void = () => {}): Promise<Recorded> {
    if (this.isFull) {
      onOver();
      throw new NotRecorded('too many wait');
    }
    this.#inFlight += 1;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), this.#options.waitMs);
    // A try that hangs counts until it is over: its rows are in memory.
    const recorded = this.#tryUntil(rows, late.signal).finally(() => {
      clearTimeout(timer);
      this.#inFlight -= 1;
      onOver();
    });
    return Promise.race([recorded, refusal(late.signal)]);
  }

  /** A try that hangs may record after all, which makes the repeat a duplicate. */
  async #tryUntil(rows: readonly IntakeRow[], late: AbortSignal): Promise<Recorded> {
    for (;;) {
      try {
        const recorded = await this.#options.sink.recordIntake(rows);
        this.#isFailing = false;
        return recorded;
      } catch (error) {
        if (!this.#isFailing) this.#options.onFault?.(error);
        this.#isFailing = true;
        await sleep(this.#options.retryMs ?? 250, undefined, { signal: late }).catch(() => {});
        if (late.aborted) throw new NotRecorded('the store did not record in time', { cause: error });
      }
    }
  }
}

const refusal = (late: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    late.addEventListener('abort', () => reject(new NotRecorded('the store did not record in time')), { once: true });
  });
