/**
 * Joins writes that are requested during another write, or in the pause after it, into the next one, so that batches grow with
 * the load. A single write starts at once. The first write of a turn waits for the end of the turn. Each request gets the
 * result of its batch.
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
      await written.catch(() => undefined); // each request of the batch gets the error
      await this.#rest();
    }
    this.#isWriting = false;
  }

  /** At least one item, however large it is. */
  #fitting(): number {
    let items = 0;
    const beyond = this.#waiting.findIndex((each) => {
      items += each.items.length;
      return items > this.#itemsMax;
    });
    return beyond === -1 ? this.#waiting.length : Math.max(1, beyond);
  }
}
