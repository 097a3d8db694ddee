import { limitConcurrency } from '../lib/limit-concurrency.ts';
import { Problem } from '../problem.ts';
import type { EventPage, EventPositions, EventStore, StoredEvent } from '../store/event-store.ts';
import { throwStoreUnreadable } from '../store/store-problems.ts';
import type { EventCursors } from './cursor.ts';
import type { EventHub } from './event-hub.ts';
import type { EventReader } from './event-reader.ts';

/** Selects the events that a caller asks for, among those it may read. */
export interface EventFilter {
  /** Full type names; all types by default. */
  types?: readonly string[];
  connectionId?: string;
  mayUse: (connectionId: string) => boolean;
}

type PageAsk = EventFilter & { limit: number /** Of its texts; the longest page by default. */; lengthMax?: number };

export interface FeedPage {
  events: readonly StoredEvent[];
  /** All events up to this one were examined. */
  position: number;
  hasMore: boolean;
}

/**
 * Where reading starts. `isGiven`: the reader has been there before, and gets an error if it has missed something
 * since.
 */
export interface StartingPlace {
  seq: number;
  isGiven: boolean;
}

/** Maximum size of a page, or of one portion of a stream. What follows is read by the next one. */
const pageLengthMax = 1024 * 1024;
const streamedLengthMax = 128 * 1024;
const streamedMax = 100;
/** Number of events per query, and the size of the longest event. */
const readMax = 200;
const eventLengthMax = 20 * 1024;
/** Maximum number of pages in memory at once. Each stays there until it is sent. */
const readersMax = 8;
/** Maximum number of events that one page examines to find some that its reader may use. */
const looksMax = 5;

/** Reads a caller's events in the order in which they were recorded. */
export class EventFeed {
  readonly #store: Pick<EventStore, 'eventPositions' | 'readEvents' | 'findEvent'>;
  readonly #cursors: EventCursors;
  readonly #hub: EventHub;
  readonly #inTurn = limitConcurrency(readersMax);

  constructor({ store, cursors, hub }: { store: EventStore; cursors: EventCursors; hub: EventHub }) {
    this.#store = store;
    this.#cursors = cursors;
    this.#hub = hub;
  }

  /**
   * Returns the position of a cursor; `earliest` is before all kept events, `latest` behind all. Undefined if it is
   * not a cursor of this caller. Throws `cursor-expired` for a cursor of another database.
   */
  async startAt(caller: string, cursor: string): Promise<StartingPlace | undefined> {
    if (cursor === 'earliest' || cursor === 'latest') {
      const { purged, last } = await this.#positions(caller);
      return { seq: cursor === 'earliest' ? purged : last, isGiven: false };
    }
    const reading = this.#cursors.read(caller, cursor);
    if (reading === 'malformed') return undefined;
    if (reading !== 'foreign-database') return { seq: reading.seq, isGiven: true };
    const detail = 'this cursor is of another database; nothing is known of what you have read';
    throw this.#expired(caller, detail, await this.#positions(caller));
  }

  /**
   * Throws `cursor-expired` if the reader has missed something. Checked after the page is read, so that events
   * deleted meanwhile count. Every process asks the database, so that it does not mistake another process's newest
   * cursor for one beyond the end.
   */
  async read(caller: string, from: StartingPlace, ask: PageAsk): Promise<FeedPage> {
    const page = await this.#inTurn(() => this.#pageBehind(caller, from.seq, ask));
    if (!from.isGiven) return page;
    await this.assertNothingMissed(caller, from.seq);
    return page;
  }

  /** Throws `cursor-expired`. */
  async assertNothingMissed(caller: string, seq: number): Promise<void> {
    const positions = await this.#positions(caller);
    if (seq < positions.purged) {
      const detail = 'events behind this cursor were deleted by age, so that you have missed some';
      throw this.#expired(caller, detail, positions);
    }
    if (seq > positions.last) {
      const detail = 'this cursor is beyond the last event: the database is an older copy, or another one';
      throw this.#expired(caller, detail, positions);
    }
  }

  /** Returns whether the pages examined contain an event of this connection. */
  async hasAny(caller: string, connectionId: string): Promise<boolean> {
    return (await this.#look(caller, 0, { limit: 1, connectionId, mayUse: () => true })).events.length > 0;
  }

  async find(caller: string, id: string): Promise<StoredEvent | undefined> {
    return this.#store.findEvent(caller, id).catch(throwStoreUnreadable);
  }

  /** Returns the events behind a position: those handed to the reader, or one page if it is behind. */
  async next(reader: EventReader, position: number, filter: EventFilter): Promise<FeedPage> {
    if (reader.isBehind) {
      reader.catchUp();
      const place = { seq: position, isGiven: true };
      const ask = { ...filter, limit: streamedMax, lengthMax: streamedLengthMax };
      const page = await this.read(reader.caller, place, ask);
      if (page.hasMore) reader.fallBehind();
      return page;
    }
    const { events, seenTo } = reader.take();
    const own = events.filter((event) => event.seq > position && isWanted(event, filter));
    return { events: own, position: Math.max(position, seenTo), hasMore: false };
  }

  /** Returns the first page behind a position that contains an event, or an empty page once `isOver` returns true. */
  async waitForPage(
    reader: EventReader,
    position: number,
    ask: EventFilter & { limit: number; leftMs: () => number },
  ): Promise<FeedPage> {
    let page: FeedPage = { events: [], position, hasMore: false };
    for (;;) {
      if (reader.isBehind) {
        reader.catchUp();
        page = await this.read(reader.caller, { seq: page.position, isGiven: true }, ask);
        if (page.events.length > 0 || page.hasMore) return page;
      }
      const { events, seenTo } = reader.take();
      const isThere = events.some((event) => event.seq > page.position && isWanted(event, ask));
      if (isThere) reader.fallBehind();
      else page = { ...page, position: Math.max(page.position, seenTo) };
      const leftMs = ask.leftMs();
      if (leftMs <= 0) return page;
      await reader.wait(leftMs);
    }
  }

  get hub(): EventHub {
    return this.#hub;
  }

  cursorAt(caller: string, position: number): string {
    return this.#cursors.at(caller, position);
  }

  async #pageBehind(caller: string, from: number, ask: PageAsk): Promise<FeedPage> {
    const { lengthMax = pageLengthMax } = ask;
    const events: StoredEvent[] = [];
    let position = from;
    let length = 0;
    for (let emptyLooks = 0; ; ) {
      const limit = Math.min(readMax, fitting(events.length, length, lengthMax), ask.limit - events.length);
      const page = await this.#look(caller, position, { ...ask, limit });
      const own = page.events.filter((event) => isOf(event, ask.mayUse));
      events.push(...own);
      for (const { data } of own) length += data.length;
      if (own.length === 0) emptyLooks += 1;
      position = Math.max(position, page.scannedTo);
      const isEnough = events.length >= ask.limit || length >= lengthMax || emptyLooks >= looksMax;
      if (isEnough || !page.hasMore) return { events, position, hasMore: page.hasMore };
    }
  }

  #look(
    caller: string,
    after: number,
    { limit, types, connectionId }: EventFilter & { limit: number },
  ): Promise<EventPage> {
    const wanted = { ...(types && { types }), ...(connectionId !== undefined && { connectionId }) };
    return this.#store.readEvents(caller, { after, limit, ...wanted }).catch(throwStoreUnreadable);
  }

  #positions(caller: string): Promise<EventPositions> {
    return this.#store.eventPositions(caller).catch(throwStoreUnreadable);
  }

  #expired(caller: string, detail: string, { purged, last }: EventPositions): Problem {
    const cursors = { earliest: this.#cursors.at(caller, purged), latest: this.#cursors.at(caller, last) };
    return new Problem('cursor-expired', detail, { cursors });
  }
}

/** Events about the caller's own endpoints name no connection, and may always be read. */
export const isOf = ({ connectionId }: StoredEvent, mayUse: EventFilter['mayUse']): boolean =>
  connectionId === '' || mayUse(connectionId);

/**
 * Estimates how many more events fit, by the mean size so far; at most twice as many, because the next ones may be
 * longer.
 */
function fitting(count: number, length: number, lengthMax: number): number {
  if (count === 0) return Math.ceil(lengthMax / eventLengthMax);
  return Math.min(2 * count, Math.ceil(((lengthMax - length) * count) / length));
}

const isWanted = (event: StoredEvent, { types, connectionId, mayUse }: EventFilter): boolean =>
  (types?.includes(event.type) ?? true) &&
  (connectionId === undefined || event.connectionId === connectionId) &&
  isOf(event, mayUse);
