import type { StoredEvent } from '../store/event-store.ts';
import type { ParkedEvent } from '../store/webhook-endpoint-store.ts';
import type { EndpointServices } from './dispatcher-services.ts';

export type DueEvent = ParkedEvent & { event: StoredEvent };

const READ_AT_ONCE = 16;
/** Another process may have parked events for a replay. */
const LOOK_EVERY_MS = 5_000;
/** What was read longer ago may be deleted. */
const FRESH_MS = 5_000;
/** While all that is due is under way. */
const BUSY_LOOK_EVERY_MS = 100;

/** The parked events of an endpoint that are due. */
export class ParkedQueue {
  readonly #endpointId: string;
  readonly #services: EndpointServices;
  readonly #inFlight = new Set<number>();
  /** In flight, or what became of them is not recorded. */
  readonly #inUse = new Set<number>();
  #due: DueEvent[] = [];
  #readAt = Number.NEGATIVE_INFINITY;
  #lookAt = Number.NEGATIVE_INFINITY;

  constructor(endpointId: string, services: EndpointServices) {
    this.#endpointId = endpointId;
    this.#services = services;
  }

  /** How long until there may be one that is due. */
  get restMs(): number {
    return this.#due.length > 0 ? 0 : Math.max(0, this.#lookAt - this.#services.clock.monotonic());
  }

  /** Events have been parked that are due after so long; 0: now. */
  expect(inMs: number): void {
    this.#lookAt = Math.min(this.#lookAt, this.#services.clock.monotonic() + inMs);
  }

  async refill(): Promise<void> {
    const { store, clock } = this.#services;
    if (this.#due.length > 0 && clock.monotonic() - this.#readAt >= FRESH_MS) this.forget();
    if (this.#due.length > 0 || this.restMs > 0) return;
    // Before the queries: what is parked meanwhile is looked for once more.
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

  /** It is in flight no more. */
  ended(eventSeq: number): void {
    this.#inFlight.delete(eventSeq);
  }

  /** It is not due until what becomes of it is recorded. */
  reserve(eventSeq: number): void {
    this.#inUse.add(eventSeq);
  }

  /** What became of it is recorded, or it is due as it was. */
  free(eventSeq: number): void {
    this.#inUse.delete(eventSeq);
    this.expect(0);
  }

  /** They are read again. */
  forget(): void {
    this.#due = [];
    this.expect(0);
  }
}
