import type { StoredEvent } from '../store/event-store.ts';
import type { EndpointServices } from './dispatcher-services.ts';
import type { EventWalk } from './event-walk.ts';

const PAGE = 100;
/** Another page is read when fewer events than this wait. */
const LOW_WATER = 50;
/** Minimum time between two reads that may find nothing, because events of other callers wake all endpoints. */
const READ_EVERY_MS = 20;
/** Events read longer ago than this are read again: some may have been deleted, such as those of an erased person. */
const FRESH_MS = 5_000;

/** Reads pages of events from the store for the walks of one endpoint. */
export class WalkReader {
  readonly #services: Pick<EndpointServices, 'store' | 'clock'>;
  readonly #audience: () => { caller: string; types: readonly string[] };
  #readAt = Number.NEGATIVE_INFINITY;
  /** When the oldest waiting event was read. */
  readonly #oldestReadAt = new WeakMap<EventWalk, number>();

  /** `audience`: whose events of which types the endpoint gets. */
  constructor(
    services: Pick<EndpointServices, 'store' | 'clock'>,
    audience: () => { caller: string; types: readonly string[] },
  ) {
    this.#services = services;
    this.#audience = audience;
  }

  /** Milliseconds until a read may find something; undefined if there is nothing to read. */
  readInMs(live: EventWalk, replay: EventWalk | undefined): number | undefined {
    if (replay && needsMore(replay)) return 0;
    return needsMore(live) ? Math.max(0, this.#readAt - this.#services.clock.monotonic()) : undefined;
  }

  /** Reads one page of each walk that has few events left or whose events are old. */
  async read(live: EventWalk, replay: EventWalk | undefined): Promise<void> {
    for (const walk of [live, replay]) if (walk && this.#isStale(walk)) walk.rewind();
    if (this.readInMs(live, replay) !== 0) return;
    const now = this.#services.clock.monotonic();
    if (needsMore(live) && now >= this.#readAt) {
      await this.#readFor(live);
      if (!live.mayHaveMore) this.#readAt = now + READ_EVERY_MS;
    }
    if (replay === undefined || !needsMore(replay)) return;
    // What the live walk has not settled is sent by it, not by the replay.
    await this.#readFor(replay, ({ seq }) => live.isSettled(seq));
  }

  #isStale(walk: EventWalk): boolean {
    const readAt = this.#oldestReadAt.get(walk) ?? Number.POSITIVE_INFINITY;
    return walk.waitingCount > 0 && this.#services.clock.monotonic() - readAt >= FRESH_MS;
  }

  async #readFor(walk: EventWalk, isOfIt: (event: StoredEvent) => boolean = () => true): Promise<void> {
    const { rewinds } = walk;
    if (walk.waitingCount === 0) this.#oldestReadAt.set(walk, this.#services.clock.monotonic());
    const { caller, types } = this.#audience();
    const page = await this.#services.store.readEvents(caller, { after: walk.readTo, limit: PAGE, types });
    walk.add({ ...page, events: page.events.filter(isOfIt) }, rewinds);
  }
}

const needsMore = (walk: EventWalk): boolean => walk.mayHaveMore && walk.waitingCount < LOW_WATER;
