import type { Clock } from './clock.ts';

/** Events due in simulated time. */
export interface Agenda {
  /** When the simulated time is there, in the order of the times; of equal ones in the order in which they were put down. */
  at(due: number, run: () => void): void;
  /** Does at once what is due by now. */
  catchUp(): void;
  /** When the next thing is due, if there is any. */
  next(): number | undefined;
  /** Nothing of it happens any more. */
  clear(): void;
}

interface Item {
  readonly due: number;
  readonly seq: number;
  readonly run: () => void;
}

/** A clock that is stopped or moved by others is looked at again after this. */
const napMaxMs = 1_000;

export function createAgenda(clock: Pick<Clock, 'now'>): Agenda {
  const heap = createHeap();
  let seq = 0;
  let timer: NodeJS.Timeout | undefined;
  let wakeAt = Number.POSITIVE_INFINITY;

  function sleep(): void {
    const first = heap.peek();
    if (!first || first.due >= wakeAt) return;
    clearTimeout(timer);
    wakeAt = first.due;
    timer = setTimeout(catchUp, Math.min(Math.max(0, first.due - clock.now()), napMaxMs)).unref();
  }

  function catchUp(): void {
    clearTimeout(timer);
    const now = clock.now();
    for (let first = heap.peek(); first && first.due <= now; first = heap.peek()) {
      heap.pop();
      first.run();
    }
    wakeAt = Number.POSITIVE_INFINITY;
    sleep();
  }

  return {
    at(due, run) {
      seq += 1;
      heap.push({ due, seq, run });
      sleep();
    },
    catchUp,
    next: () => heap.peek()?.due,
    clear() {
      clearTimeout(timer);
      wakeAt = Number.POSITIVE_INFINITY;
      heap.clear();
    },
  };
}

/** A binary heap: tens of thousands of things may be to come, and each is put down and taken out once. */
function createHeap() {
  const items: Item[] = [];
  const isBefore = (one: Item, other: Item) => one.due < other.due || (one.due === other.due && one.seq < other.seq);

  /** Puts an item where `at` is free, after moving those that come later out of the way. */
  function settle(item: Item, from: number): void {
    let at = from;
    for (let child = 2 * at + 1; child < items.length; child = 2 * at + 1) {
      const [left, right] = [items[child], items[child + 1]];
      const least = left && right && isBefore(right, left) ? right : left;
      if (!least || !isBefore(least, item)) break;
      items[at] = least;
      at = least === left ? child : child + 1;
    }
    items[at] = item;
  }

  return {
    peek: () => items[0],
    push(item: Item) {
      let at = items.length;
      items.push(item);
      while (at > 0) {
        const above = (at - 1) >> 1;
        const parent = items[above];
        if (!parent || isBefore(parent, item)) break;
        items[at] = parent;
        at = above;
      }
      items[at] = item;
    },
    pop() {
      const last = items.pop();
      if (last && items.length > 0) settle(last, 0);
    },
    clear: () => void items.splice(0),
  };
}
