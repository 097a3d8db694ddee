/**
 * Admitted messages whose records are being written, by the queue they will join. Admission counts them as queued; otherwise
 * a slow commit would admit more messages than can get a permit in time.
 */
export class PendingInserts {
  readonly #counts = new Map<string, number>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  count(queueKey: string): number {
    return this.#counts.get(queueKey) ?? 0;
  }

  /** Counts one more in the queue until `work` settles. */
  async track<Value>(queueKey: string, work: Promise<Value>): Promise<Value> {
    this.#add(queueKey, 1);
    try {
      return await work;
    } finally {
      this.#add(queueKey, -1);
    }
  }

  #add(queueKey: string, n: number): void {
    const count = this.count(queueKey) + n;
    if (count === 0) this.#counts.delete(queueKey);
    else this.#counts.set(queueKey, count);
    this.#size += n;
  }
}
