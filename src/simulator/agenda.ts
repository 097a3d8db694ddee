import type { Clock } from './clock.ts';

/** Events that are due in simulated time. */
export interface Agenda {
  /** Runs the callback at a simulated time, in order of the times; those of equal times in the order of the calls. */
  at(due: number, run: () => void): void;
  /** Runs at once what is due by now. */
  catchUp(): void;
  /** When the next event is due, if there is one. */
  next(): number | undefined;
  /** Cancels all events. */
  clear(): void;
}

interface Item {
  readonly due: number;
  readonly seq: number;
  readonly run: () => void;
}

/** The clock is checked again after this, because it may be stopped or moved. */
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

/** A binary heap, because there may be tens of thousands of events, each added and removed once. */
function createHeap() {
  const items: Item[] = [];
  const isBefore = (one: Item, other: Item) => one.due < other.due || (one.due === other.due && one.seq < other.seq);

  /** Inserts an item at the free place `at`, after moving later ones out of the way. */
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
