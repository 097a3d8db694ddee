import type { EventPage, StoredEvent } from '../store/event-store.ts';

/** So many events may be settled behind one that is not: their numbers stand in one row. */
export const AHEAD_MAX = 1_000;

/**
 * The events of an endpoint in their order, and how far they are settled, which means delivered or parked. `position` is the number
 * up to which all are, `ahead` has those behind it.
 */
export class EventWalk {
  /** Where it ends; it has no end without. */
  readonly until: number;
  readonly #settled: Set<number>;
  readonly #inFlight = new Set<number>();
  /** Settled, but the position does not pass them: they may come back. */
  readonly #held = new Set<number>();
  #waiting: StoredEvent[] = [];
  #readTo: number;
  #mayHaveMore = true;

  constructor(position: number, ahead: readonly number[], until = Number.POSITIVE_INFINITY) {
    this.#readTo = position;
    this.#settled = new Set(ahead);
    this.until = until;
  }

  /** Up to where it has read. */
  get readTo(): number {
    return this.#readTo;
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

  get position(): number {
    const open = [...this.#inFlight, ...this.#held, ...this.#waiting.slice(0, 1).map(({ seq }) => seq)];
    return Math.min(...open.map((seq) => seq - 1), this.#readTo, this.until);
  }

  get ahead(): number[] {
    const { position } = this;
    for (const seq of this.#settled) if (seq <= position) this.#settled.delete(seq);
    return [...this.#settled].toSorted((a, b) => a - b);
  }

  /** All of it is settled. */
  get isDone(): boolean {
    return this.position >= this.until;
  }

  isSettled(seq: number): boolean {
    return seq <= this.position || this.#settled.has(seq);
  }

  /** What comes behind `readTo`. */
  add({ events, scannedTo, hasMore }: EventPage): void {
    const fresh = events.filter(
      ({ seq }) => seq > this.#readTo && seq <= this.until && !this.#settled.has(seq) && !this.#inFlight.has(seq),
    );
    this.#waiting.push(...fresh);
    this.#readTo = Math.max(this.#readTo, scannedTo);
    this.#mayHaveMore = hasMore;
  }

  /** There may be events behind what it has read. */
  expectMore(): void {
    this.#mayHaveMore = true;
  }

  /** The first event for which this holds; it is in flight from then on. */
  take(isFree: (event: StoredEvent) => boolean): StoredEvent | undefined {
    if (this.#settled.size >= AHEAD_MAX && this.ahead.length >= AHEAD_MAX) return undefined;
    const place = this.#waiting.findIndex(isFree);
    if (place === -1) return undefined;
    const [event] = this.#waiting.splice(place, 1);
    if (event) this.#inFlight.add(event.seq);
    return event;
  }

  settle(seq: number): void {
    this.#inFlight.delete(seq);
    this.#settled.add(seq);
  }

  /** Settled until it is taken back or released. */
  hold(seq: number): void {
    this.settle(seq);
    this.#held.add(seq);
  }

  release(): void {
    this.#held.clear();
  }

  /** It was in flight, or held, and waits again. */
  putBack(event: StoredEvent): void {
    this.#inFlight.delete(event.seq);
    this.#held.delete(event.seq);
    this.#settled.delete(event.seq);
    if (event.seq > this.#readTo) return;
    const place = this.#waiting.findIndex(({ seq }) => seq > event.seq);
    this.#waiting.splice(place === -1 ? this.#waiting.length : place, 0, event);
  }

  /** Forgets the events that wait: they are read again. */
  rewind(): void {
    this.#readTo = this.position;
    this.#waiting = [];
    this.#mayHaveMore = true;
  }
}
