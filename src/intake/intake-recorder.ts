import { setTimeout as sleep } from 'node:timers/promises';
import type { IntakeRow } from '../store/intake-store.ts';

/** Makes events durable: the store, or the spool in front of it. */
export interface IntakeSink {
  /** Writes all rows in one commit; resolves when they are durable. `duplicates` is absent if the sink does not look for repeats. */
  recordIntake(rows: readonly IntakeRow[]): Promise<Recorded>;
}

export interface Recorded {
  readonly received: number;
  readonly duplicates?: number;
}

/** The events could not be recorded now: the webhook is answered 503, and WATI posts it again. */
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
  /** Called when the sink begins to fail, not for each retry. */
  onFault?: (error: unknown) => void;
}

/**
 * Records the events of a webhook. While the sink fails, it keeps the request waiting and retries, because most outages end
 * within seconds and each 503 counts towards the hundred failures in a row at which WATI switches a webhook off. The sink
 * itself joins events that arrive during a commit into the next one.
 */
export class IntakeRecorder {
  readonly #options: RecorderOptions;
  #inFlight = 0;
  #isFailing = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Whether the maximum of waiting requests is reached. */
  get isFull(): boolean {
    return this.#inFlight >= this.#options.inFlightMax;
  }

  /** Resolves when the rows are durable; throws NotRecorded. Calls `onOver` when no write holds the rows in memory any more. */
  async record(rows: readonly IntakeRow[], onOver: () => void = () => {}): Promise<Recorded> {
    if (this.isFull) {
      onOver();
      throw new NotRecorded('too many wait');
    }
    this.#inFlight += 1;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), this.#options.waitMs);
    // A write that hangs still counts as waiting, because its rows are in memory.
    const recorded = this.#tryUntil(rows, late.signal).finally(() => {
      clearTimeout(timer);
      this.#inFlight -= 1;
      onOver();
    });
    return Promise.race([recorded, refusal(late.signal)]);
  }

  /** Retries until the rows are recorded or `late` aborts. A write in progress may then still be committed; WATI's repeat is a duplicate. */
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
