/** A binary heap whose items store their index, so that any of them is removed or moved in O(log n). */
export class IndexedHeap<T extends { heapIndex: number }> {
  readonly #items: T[] = [];
  readonly #less: (a: T, b: T) => boolean;

  constructor(before: (a: T, b: T) => boolean) {
    this.#less = before;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  add(item: T): void {
    item.heapIndex = this.#items.length;
    this.#items.push(item);
    this.#up(item);
  }

  /** Restores the order after the item's key changed. */
  update(item: T): void {
    this.#up(item);
    this.#down(item);
  }

  remove(item: T): void {
    const last = this.#items.pop();
    if (last !== undefined && last !== item) {
      this.#put(last, item.heapIndex);
      this.update(last);
    }
    item.heapIndex = -1;
  }

  #up(item: T): void {
    while (item.heapIndex > 0) {
      const parent = this.#items[(item.heapIndex - 1) >> 1];
      if (parent === undefined || !this.#less(item, parent)) return;
      this.#swap(item, parent);
    }
  }

  #down(item: T): void {
    for (;;) {
      const left = this.#items[2 * item.heapIndex + 1];
      const right = this.#items[2 * item.heapIndex + 2];
      const child = right !== undefined && left !== undefined && this.#less(right, left) ? right : left;
      if (child === undefined || !this.#less(child, item)) return;
      this.#swap(item, child);
    }
  }

  #swap(a: T, b: T): void {
    const index = a.heapIndex;
    this.#put(a, b.heapIndex);
    this.#put(b, index);
  }

  #put(item: T, index: number): void {
    item.heapIndex = index;
    this.#items[index] = item;
  }
}
