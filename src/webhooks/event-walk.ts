import type { EventPage, StoredEvent } from '../store/event-store.ts';

/** Maximum number of events settled behind an unsettled one: their numbers are stored in one row. */
export const AHEAD_MAX = 1_000;

/**
 * Walks over an endpoint's events in order, and tracks which are settled: delivered, parked or skipped. All events up
 * to `position` are settled; `ahead` lists settled ones behind it.
 */
export class EventWalk {
  /** Last event of the walk; undefined: no end. */
  readonly until: number;
  readonly #settled: Set<number>;
  readonly #inFlight = new Map<number, StoredEvent>();
  /** Settled, but not passed by the position, because they may be put back. */
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

  /** The last event that was read. */
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

  /** Returns the oldest waiting event. */
  get first(): StoredEvent | undefined {
    return this.#waiting[0];
  }

  /** Returns the oldest unsettled event among those read. */
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

  /** True if all events are settled. A walk without an end is never finished. */
  get isDone(): boolean {
    const { position } = this;
    if (position >= this.until) return true;
    return Number.isFinite(this.until) && !this.#mayHaveMore && position >= this.#readTo;
  }

  isSettled(seq: number): boolean {
    return seq <= this.position || this.#settled.has(seq);
  }

  /**
   * Adds the page behind `readTo`. Ignored if the walk was rewound since the query began, that is if its number of
   * rewinds differs.
   */
  add({ events, scannedTo, hasMore }: EventPage, rewinds: number): void {
    if (rewinds !== this.#rewinds) return;
    for (const event of events) {
      const { seq } = event;
      if (seq <= this.until && !this.#settled.has(seq) && !this.#inFlight.has(seq)) this.#waiting.push(event);
    }
    this.#readTo = Math.max(this.#readTo, scannedTo);
    this.#mayHaveMore = hasMore;
  }

  /** True if there may be events behind the last one that was read. */
  expectMore(): void {
    this.#mayHaveMore = true;
  }

  /** Takes the first waiting event that satisfies the predicate; it is in flight from then on. */
  take(isFree: (event: StoredEvent) => boolean): StoredEvent | undefined {
    if (this.#settled.size >= AHEAD_MAX && this.ahead.length >= AHEAD_MAX) return undefined;
    const place = this.#waiting.findIndex(isFree);
    if (place === -1) return undefined;
    const [event] = this.#waiting.splice(place, 1);
    if (event) this.#inFlight.set(event.seq, event);
    return event;
  }

  /**
   * Takes an event this many places behind the oldest, or the last one. Skips events that wait for an earlier one of
   * their contact.
   */
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

  /** Marks an event as settled until it is released or put back. */
  defer(seq: number): void {
    this.settle(seq);
    this.#deferred.add(seq);
  }

  release(): void {
    this.#deferred.clear();
  }

  /** Returns an event that was in flight or deferred to the waiting ones. */
  putBack(event: StoredEvent): void {
    this.#inFlight.delete(event.seq);
    this.#deferred.delete(event.seq);
    this.#settled.delete(event.seq);
    if (event.seq > this.#readTo) return;
    const place = this.#waiting.findIndex(({ seq }) => seq > event.seq);
    this.#waiting.splice(place === -1 ? this.#waiting.length : place, 0, event);
  }

  /** Discards waiting events, so that they are read again. */
  rewind(): void {
    this.#rewinds += 1;
    this.#readTo = this.position;
    this.#waiting = [];
    this.#mayHaveMore = true;
  }
}
