import type { BroadcastRecipient } from './types.ts';

/** Rows per commit. Other writes wait for it: this many rows take the store about 10 ms. */
const BATCH_MAX = 500;

/**
 * Writes recipients in batches while further ones are read: one batch at a time, in the order in which they were added. A batch
 * contains what was added during the one before.
 */
export class RecipientWriter {
  readonly #write: (recipients: readonly BroadcastRecipient[]) => Promise<number>;
  #waiting: BroadcastRecipient[] = [];
  /** The batch that is being written. After a failure it stays here, and nothing more is written. */
  #writing: { batch: readonly BroadcastRecipient[]; done: Promise<void> } | undefined;
  #written = 0;

  /** `write` resolves with the number of recipients that it has added. */
  constructor(write: (recipients: readonly BroadcastRecipient[]) => Promise<number>) {
    this.#write = write;
  }

  /** Recipients so far, those included that are not written yet. */
  get total(): number {
    return this.#written + this.#waiting.length + (this.#writing?.batch.length ?? 0);
  }

  /** Resolves when more can be added. Rejects if a batch has failed. */
  async add(recipients: readonly BroadcastRecipient[]): Promise<void> {
    for (const recipient of recipients) this.#waiting.push(recipient);
    this.#next();
    // A whole batch may wait, so that the store does not.
    while (this.#writing && this.#waiting.length > BATCH_MAX) await this.#writing.done;
  }

  /** Resolves with the number of recipients when all of them are written. */
  async end(): Promise<number> {
    while (this.#writing) await this.#writing.done;
    return this.#written;
  }

  /** Writes nothing more. Resolves when no batch is being written. */
  async stop(): Promise<void> {
    this.#waiting = [];
    await this.#writing?.done.catch(() => {});
  }

  #next(): void {
    if (this.#writing || this.#waiting.length === 0) return;
    const batch = this.#waiting.splice(0, BATCH_MAX);
    const done = this.#write(batch).then((added) => {
      this.#written += added;
      this.#writing = undefined;
      this.#next();
    });
    // Reported by the next call.
    done.catch(() => {});
    this.#writing = { batch, done };
  }
}
