import type { StoredEvent } from '../store/event-store.ts';
import type { ParkedEvent } from '../store/webhook-endpoint-store.ts';
import type { EndpointServices } from './dispatcher-services.ts';

export type DueEvent = ParkedEvent & { event: StoredEvent };

const READ_AT_ONCE = 16;
/** Interval of reads: another process may have parked events for a replay. */
const LOOK_EVERY_MS = 5_000;
/** Events read longer ago than this are read again, because they may have been deleted. */
const FRESH_MS = 5_000;
/** Pause while all due events are in flight. */
const BUSY_LOOK_EVERY_MS = 100;

/** The due parked events of an endpoint. */
export class ParkedQueue {
  readonly #endpointId: string;
  readonly #services: EndpointServices;
  readonly #inFlight = new Set<number>();
  /** In flight, or with a result that is not recorded. */
  readonly #inUse = new Set<number>();
  #due: DueEvent[] = [];
  #readAt = Number.NEGATIVE_INFINITY;
  #lookAt = Number.NEGATIVE_INFINITY;

  constructor(endpointId: string, services: EndpointServices) {
    this.#endpointId = endpointId;
    this.#services = services;
  }

  /** Milliseconds until an event may be due. */
  get restMs(): number {
    return this.#due.length > 0 ? 0 : Math.max(0, this.#lookAt - this.#services.clock.monotonic());
  }

  /** Call after events were parked that are due after this time; 0: now. */
  expect(inMs: number): void {
    this.#lookAt = Math.min(this.#lookAt, this.#services.clock.monotonic() + inMs);
  }

  async refill(): Promise<void> {
    const { store, clock } = this.#services;
    if (this.#due.length > 0 && clock.monotonic() - this.#readAt >= FRESH_MS) this.forget();
    if (this.#due.length > 0 || this.restMs > 0) return;
    // Set before the queries, so that events parked during them are found by another read.
    this.#lookAt = clock.monotonic() + LOOK_EVERY_MS;
    const found = await store.dueParked(this.#endpointId, READ_AT_ONCE + this.#inUse.size);
    this.#readAt = clock.monotonic();
    this.#due = found.filter(({ eventSeq }) => !this.#inUse.has(eventSeq));
    if (this.#due.length > 0) return this.expect(0);
    const inMs = await store.nextParkedDueInMs(this.#endpointId);
    if (inMs !== undefined) this.expect(inMs > 0 ? inMs : BUSY_LOOK_EVERY_MS);
  }

  take(isFree: (event: StoredEvent) => boolean): DueEvent | undefined {
    const place = this.#due.findIndex(({ event }) => isFree(event));
    if (place === -1) return undefined;
    const [taken] = this.#due.splice(place, 1);
    if (taken) {
      this.#inFlight.add(taken.eventSeq);
      this.#inUse.add(taken.eventSeq);
    }
    return taken;
  }

  isInFlight(eventSeq: number): boolean {
    return this.#inFlight.has(eventSeq);
  }

  /** The event is no longer in flight. */
  ended(eventSeq: number): void {
    this.#inFlight.delete(eventSeq);
  }

  /** The event is not due until its result is recorded. */
  reserve(eventSeq: number): void {
    this.#inUse.add(eventSeq);
  }

  /** The event's result is recorded, or it is due again. */
  free(eventSeq: number): void {
    this.#inUse.delete(eventSeq);
    this.expect(0);
  }

  /** Discards the events, so that they are read again. */
  forget(): void {
    this.#due = [];
    this.expect(0);
  }
}
