import type { EventPage, StoredEvent } from '../store/event-store.ts';

/** So many events may be settled behind one that is not: their numbers stand in one row. */
export const AHEAD_MAX = 1_000;

/**
 * The events of an endpoint in their order, and how far they are settled, which means delivered, parked or passed over. `position`
 * is the number up to which all are, `ahead` has those behind it.
 */
export class EventWalk {
  /** Where it ends; it has no end without. */
  readonly until: number;
  readonly #settled: Set<number>;
  readonly #inFlight = new Map<number, StoredEvent>();
  /** Settled, but the position does not pass them: they may come back. */
  readonly #deferred = new Set<number>();
  #waiting: StoredEvent[] = [];
  #readTo: number;
  #mayHaveMore = true;
  #rewinds = 0;

  constructor(position: number, ahead: readonly number[], until = Number.POSITIVE_INFINITY) {
    this.#readTo = position;
    this.#settled = new Set(ahead);
    this.until = until;
  }

  /** Up to where it has read. */
  get readTo(): number {
    return this.#readTo;
  }

  get rewinds(): number {
    return this.#rewinds;
  }

  get mayHaveMore(): boolean {
    return this.#mayHaveMore && this.#readTo < this.until;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** The oldest event that waits. */
  get first(): StoredEvent | undefined {
    return this.#waiting[0];
  }

  /** The oldest event that is not settled, as far as it has read. */
  get oldest(): StoredEvent | undefined {
    return [...this.#inFlight.values(), ...this.#waiting.slice(0, 1)].toSorted((a, b) => a.seq - b.seq)[0];
  }

  get position(): number {
    const open = [...this.#inFlight.keys(), ...this.#deferred, ...this.#waiting.slice(0, 1).map(({ seq }) => seq)];
    return Math.min(...open.map((seq) => seq - 1), this.#readTo, this.until);
  }

  get ahead(): number[] {
    const { position } = this;
    for (const seq of this.#settled) if (seq <= position) this.#settled.delete(seq);
    return [...this.#settled].toSorted((a, b) => a - b);
  }

  /** All of it is settled. What is behind the last event has no end. */
  get isDone(): boolean {
    const { position } = this;
    if (position >= this.until) return true;
    return Number.isFinite(this.until) && !this.#mayHaveMore && position >= this.#readTo;
  }

  isSettled(seq: number): boolean {
    return seq <= this.position || this.#settled.has(seq);
  }

  /** What comes behind `readTo`; of no use if the walk has been rewound since it was asked for, when it had had this many rewinds. */
  add({ events, scannedTo, hasMore }: EventPage, rewinds: number): void {
    if (rewinds !== this.#rewinds) return;
    for (const event of events) {
      const { seq } = event;
      if (seq <= this.until && !this.#settled.has(seq) && !this.#inFlight.has(seq)) this.#waiting.push(event);
    }
    this.#readTo = Math.max(this.#readTo, scannedTo);
    this.#mayHaveMore = hasMore;
  }

  /** There may be events behind what it has read. */
  expectMore(): void {
    this.#mayHaveMore = true;
  }

  /** The first event that waits and for which this holds; it is in flight from then on. */
  take(isFree: (event: StoredEvent) => boolean): StoredEvent | undefined {
    if (this.#settled.size >= AHEAD_MAX && this.ahead.length >= AHEAD_MAX) return undefined;
    const place = this.#waiting.findIndex(isFree);
    if (place === -1) return undefined;
    const [event] = this.#waiting.splice(place, 1);
    if (event) this.#inFlight.set(event.seq, event);
    return event;
  }

  /** One that is so many places behind the oldest, or the last one; none that waits for an earlier one of its contact. */
  takeBehind(places: number, isFree: (event: StoredEvent) => boolean): StoredEvent | undefined {
    const contacts = new Set<string>();
    let left = Math.min(places, this.#waiting.length - 1);
    if (left < 1) return undefined;
    return this.take((event) => {
      const { contact } = event;
      const isFirst = contact === undefined || !contacts.has(contact);
      if (contact !== undefined) contacts.add(contact);
      left -= 1;
      return left < 0 && isFirst && isFree(event);
    });
  }

  settle(seq: number): void {
    this.#inFlight.delete(seq);
    this.#settled.add(seq);
  }

  /** Settled until it is released or put back. */
  defer(seq: number): void {
    this.settle(seq);
    this.#deferred.add(seq);
  }

  release(): void {
    this.#deferred.clear();
  }

  /** It was in flight, or deferred, and waits again. */
  putBack(event: StoredEvent): void {
    this.#inFlight.delete(event.seq);
    this.#deferred.delete(event.seq);
    this.#settled.delete(event.seq);
    if (event.seq > this.#readTo) return;
    const place = this.#waiting.findIndex(({ seq }) => seq > event.seq);
    this.#waiting.splice(place === -1 ? this.#waiting.length : place, 0, event);
  }

  /** Forgets the events that wait: they are read again. */
  rewind(): void {
    this.#rewinds += 1;
    this.#readTo = this.position;
    this.#waiting = [];
    this.#mayHaveMore = true;
  }
}
