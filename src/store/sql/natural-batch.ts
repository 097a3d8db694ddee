/**
 * Joins what is asked while a write is under way, or in the rest after it, into the next one: what comes alone is written at
 * once, and the more comes the larger are the batches. The first of a turn waits for the end of the turn. Each is told how its
 * batch ended.
 */
export class NaturalBatch<Item, Answer> {
  readonly #write: (items: readonly Item[]) => Promise<Answer>;
  readonly #itemsMax: number;
  readonly #rest: () => Promise<unknown>;
  #waiting: { items: readonly Item[]; resolve: (answer: Promise<Answer>) => void }[] = [];
  #isWriting = false;

  constructor(
    write: (items: readonly Item[]) => Promise<Answer>,
    itemsMax: number,
    rest: () => Promise<unknown> = async () => {},
  ) {
    this.#write = write;
    this.#itemsMax = itemsMax;
    this.#rest = rest;
  }

  add(items: readonly Item[]): Promise<Answer> {
    return new Promise((resolve) => {
      this.#waiting.push({ items, resolve });
      if (this.#isWriting) return;
      this.#isWriting = true;
      setImmediate(() => void this.#writeAll());
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#fitting());
      const written = this.#write(batch.flatMap(({ items }) => items));
      for (const { resolve } of batch) resolve(written);
      await written.catch(() => undefined); // each of the batch is told
      await this.#rest();
    }
    this.#isWriting = false;
  }

  /** One at least, however large it is. */
  #fitting(): number {
    let items = 0;
    const beyond = this.#waiting.findIndex((each) => {
      items += each.items.length;
      return items > this.#itemsMax;
    });
    return beyond === -1 ? this.#waiting.length : Math.max(1, beyond);
  }
}
