import { typesOf } from '../events/event-types.ts';
import type { StoredEvent } from '../store/event-store.ts';
import type { EndpointProgress, EndpointReplay, StoredEndpoint } from '../store/webhook-endpoint-store.ts';
import { Contacts } from './contacts.ts';
import type { EndpointServices } from './dispatcher-services.ts';
import { EventWalk } from './event-walk.ts';
import { type DueEvent, ParkedQueue } from './parked-queue.ts';
import type { ProgressChange } from './progress-writer.ts';
import { WalkReader } from './walk-reader.ts';

/** An event selected for delivery: from a walk over the events, or a parked one. */
export type EventDelivery = { event: StoredEvent } & ({ walk: EventWalk; isReplay: boolean } | { parked: DueEvent });

export const isBackground = (delivery: EventDelivery): boolean => 'parked' in delivery || delivery.isReplay;

/** Slots that parked and replayed events leave free for live ones. */
const LIVE_SLOTS = 2;
/** An endpoint whose oldest event is older than this catches up. */
const LATE_MS = 5_000;
/** The delay of the first retry of a parked event. */
const DEFER_MS = 5_000;

/** Selects the next event for an endpoint: live events first, parked and replayed ones beside them. */
export class EventQueue {
  readonly contacts: Contacts;
  readonly parked: ParkedQueue;
  readonly #services: EndpointServices;
  readonly #live: EventWalk;
  #endpoint: StoredEndpoint;
  #types: readonly string[];
  #replay: { request: number; walk: EventWalk } | undefined;
  #lastRequest = 0;
  #backgroundBusy = 0;
  #wasBackground = false;
  #wasParked = false;
  readonly #reader: WalkReader;

  constructor(endpoint: StoredEndpoint, services: EndpointServices) {
    this.#services = services;
    this.#endpoint = endpoint;
    this.#types = typesOf(endpoint.types);
    this.#live = new EventWalk(endpoint.position, endpoint.ahead);
    this.#reader = new WalkReader(services, () => ({ caller: this.#endpoint.caller, types: this.#types }));
    this.contacts = new Contacts(services.clock.monotonic);
    this.parked = new ParkedQueue(endpoint.id, services);
    this.#adopt(endpoint.replay);
  }

  /**
   * Applies the caller's latest version of the endpoint. Returns whether other events may have become deliverable.
   */
  update(endpoint: StoredEndpoint): boolean {
    const types = typesOf(endpoint.types);
    const hasOtherTypes = types.join() !== this.#types.join();
    if (hasOtherTypes) this.#live.rewind();
    this.#endpoint = endpoint;
    this.#types = types;
    return this.#adopt(endpoint.replay) || hasOtherTypes;
  }

  #adopt(replay: EndpointReplay | undefined): boolean {
    if (replay === undefined || replay.request <= this.#lastRequest) return false;
    const { request, position, ahead, until } = replay;
    this.#lastRequest = request;
    this.#replay = { request, walk: new EventWalk(position, ahead, until) };
    return true;
  }

  get position(): number {
    return this.#live.position;
  }

  /** The number of events that are neither delivered nor parked. */
  get oldestLive(): StoredEvent | undefined {
    return this.#live.oldest;
  }

  /** The endpoint's progress in the form that the store records. */
  progress(): Pick<EndpointProgress, 'position' | 'ahead' | 'replay'> {
    const live = { position: this.#live.position, ahead: this.#live.ahead };
    if (this.#replay === undefined) return live;
    const { request, walk } = this.#replay;
    const { position, ahead, until, isDone } = walk;
    return { ...live, replay: { request, position, ahead, until, isDone } };
  }

  /** Call when this progress is recorded. */
  saved({ replay }: Pick<EndpointProgress, 'replay'>): void {
    if (replay?.isDone && replay.request === this.#replay?.request) this.#replay = undefined;
  }

  /** True if a replay has nothing left to send and its end has to be recorded. */
  get isReplayDone(): boolean {
    return this.#replay?.walk.isDone ?? false;
  }

  expectMore(): void {
    this.#live.expectMore();
  }

  /** Milliseconds until a read may find something; undefined if there is nothing to read. */
  get readInMs(): number | undefined {
    return this.#reader.readInMs(this.#live, this.#replay?.walk);
  }

  /** Reads one page of each walk that has few events left or whose events are old. */
  async read(): Promise<void> {
    await this.#reader.read(this.#live, this.#replay?.walk);
  }

  /** Returns the next event to send while at most `slots` others are in flight. */
  next(slots: number): EventDelivery | undefined {
    const { catchUp } = this.#services;
    const mayCatchUp = catchUp.waitMs === 0;
    const { isLate } = this;
    const delivery = this.#choose(slots, { mayCatchUp, isLate });
    if (delivery !== undefined && (isLate || isBackground(delivery))) catchUp.take();
    return delivery;
  }

  #choose(slots: number, { mayCatchUp, isLate }: { mayCatchUp: boolean; isLate: boolean }): EventDelivery | undefined {
    if (!mayCatchUp) return isLate ? undefined : this.#takeLive();
    // Replays and parked events progress however many live events there are.
    if (this.#backgroundBusy === 0 && !this.#wasBackground) {
      const first = this.#takeBackground(slots);
      if (first) return first;
    }
    return this.#takeLive() ?? this.#takeBackground(slots);
  }

  /** Whether its oldest event is late, so that the endpoint has to catch up. */
  get isLate(): boolean {
    const { oldest } = this.#live;
    return oldest !== undefined && this.#services.clock.now() - oldest.at > LATE_MS;
  }

  /** Returns the oldest event, to probe whether an endpoint is back. */
  oldest(): EventDelivery | undefined {
    const [live, replay] = [this.#live.first, this.#replay?.walk.first];
    const isReplayOlder = replay !== undefined && (live === undefined || replay.seq < live.seq);
    const first = isReplayOlder ? (this.#takeReplay() ?? this.#takeLive()) : (this.#takeLive() ?? this.#takeReplay());
    return first ?? this.#takeParked();
  }

  /** Returns a live event some places behind the oldest. */
  another(place: number): EventDelivery | undefined {
    const event = this.#live.takeBehind(place, (each) => !this.contacts.mustWait(each) && this.isWanted(each));
    return event && this.#begin({ event, walk: this.#live, isReplay: false });
  }

  #takeLive(): EventDelivery | undefined {
    const event = this.#takeFrom(this.#live);
    return event && this.#begin({ event, walk: this.#live, isReplay: false });
  }

  #takeBackground(slots: number): EventDelivery | undefined {
    if (this.#backgroundBusy >= Math.max(1, slots - LIVE_SLOTS)) return undefined;
    return this.#wasParked ? (this.#takeReplay() ?? this.#takeParked()) : (this.#takeParked() ?? this.#takeReplay());
  }

  #takeReplay(): EventDelivery | undefined {
    const walk = this.#replay?.walk;
    const event = walk && this.#takeFrom(walk);
    return event && this.#begin({ event, walk, isReplay: true });
  }

  #takeParked(): EventDelivery | undefined {
    const parked = this.parked.take((event) => !this.contacts.isBusy(event));
    return parked && this.#begin({ event: parked.event, parked });
  }

  #begin(delivery: EventDelivery): EventDelivery {
    this.contacts.begin(delivery.event);
    this.#wasBackground = isBackground(delivery);
    if (this.#wasBackground) {
      this.#wasParked = 'parked' in delivery;
      this.#backgroundBusy += 1;
    }
    return delivery;
  }

  #takeFrom(walk: EventWalk): StoredEvent | undefined {
    for (;;) {
      const event = walk.take((each) => !this.contacts.mustWait(each));
      if (event === undefined || this.isWanted(event)) return event;
      walk.settle(event.seq);
    }
  }

  /** Returns whether the endpoint still subscribes to the event. Events about endpoints have no connection. */
  isWanted({ connectionId, type }: StoredEvent): boolean {
    const mayUse = this.#services.connectionsOf(this.#endpoint.caller);
    return this.#types.includes(type) && mayUse !== undefined && (connectionId === '' || mayUse(connectionId));
  }

  /** Parks an event that failed. Later events of its contact wait until the retry policy has decided. */
  defer({ event }: EventDelivery, walk: EventWalk): void {
    walk.defer(event.seq);
    this.contacts.defer(event, DEFER_MS);
  }

  /** Keeps an event that failed parked. */
  release(): void {
    this.#live.release();
    this.#replay?.walk.release();
    this.contacts.release();
  }

  /** Puts an event back into its former place. */
  putBack(delivery: EventDelivery): void {
    if ('walk' in delivery) delivery.walk.putBack(delivery.event);
  }

  /** Discards all waiting events, so that they are read again. */
  rewind(): void {
    this.contacts.release();
    this.#live.rewind();
    this.#replay?.walk.rewind();
    this.parked.forget();
  }

  /** Call when the event's result is recorded. */
  recorded(delivery: EventDelivery, { park, unpark = [] }: ProgressChange): void {
    if (isBackground(delivery)) this.#backgroundBusy -= 1;
    if ('parked' in delivery) this.parked.free(delivery.event.seq);
    for (const seq of unpark) this.parked.free(seq);
    if (park?.dueInMs !== undefined) this.parked.expect(park.dueInMs);
  }

  /** Milliseconds until there may be something to send that cannot be sent now. */
  get restMs(): number {
    const { waitMs } = this.#services.catchUp;
    return Math.min(
      this.parked.restMs || Number.POSITIVE_INFINITY,
      this.contacts.waitMs,
      waitMs || Number.POSITIVE_INFINITY,
    );
  }
}
