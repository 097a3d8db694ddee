/**
 * Sends that were let in and are not in line yet: their records are being written. Whoever asks meanwhile comes after them,
 * or a slow commit would let in more than can have their turn in time.
 */
export class Coming {
  readonly #counts = new Map<string, number>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  in(line: string): number {
    return this.#counts.get(line) ?? 0;
  }

  /** Counts one more in `line` until the work is over, whichever way. */
  async while<Value>(line: string, work: Promise<Value>): Promise<Value> {
    this.#add(line, 1);
    try {
      return await work;
    } finally {
      this.#add(line, -1);
    }
  }

  #add(line: string, n: number): void {
    const count = this.in(line) + n;
    if (count === 0) this.#counts.delete(line);
    else this.#counts.set(line, count);
    this.#size += n;
  }
}
