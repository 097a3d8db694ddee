import { randomBytes } from 'node:crypto';
import type { EventSignal } from '../../src/events/types.ts';
import type {
  EventPage,
  EventStore,
  EventSubscription,
  NewEvent,
  NewFact,
  PendingFact,
  StoredEvent,
} from '../../src/store/event-store.ts';

/** The recorder of a process that records nothing. */
export const noRecorder: EventSignal = { subscribe: () => () => {} };

interface MemoryEventsOptions {
  /** Wall clock, ms. */
  now?: () => number;
  /** Rows that one look at a caller's events reads at most. */
  scanMax?: number;
}

/** A database of events in memory. Each `open` is a process on it, which is woken when another one records. */
export class MemoryEvents {
  readonly epoch: string;
  readonly #now: () => number;
  readonly #scanMax: number;
  readonly #events: StoredEvent[] = [];
  readonly #facts: PendingFact[] = [];
  readonly #purged = new Map<string, number>();
  readonly #processes = new Set<Set<() => void>>();
  #subscriptions: readonly EventSubscription[] = [];
  #last = 0;
  #lastFact = 0;

  constructor({ now = () => Date.now(), scanMax = 5_000, epoch }: MemoryEventsOptions & { epoch?: string } = {}) {
    this.epoch = epoch ?? randomBytes(16).toString('base64url');
    this.#now = now;
    this.#scanMax = scanMax;
  }

  /** The database as it is restored from a copy of now, without its events. */
  copy(): MemoryEvents {
    const copied = new MemoryEvents({ now: this.#now, scanMax: this.#scanMax, epoch: this.epoch });
    copied.#last = this.#last;
    return copied;
  }

  /** As `setSubscriptions` has left them. */
  get subscriptions(): readonly EventSubscription[] {
    return this.#subscriptions;
  }

  /** Writes a fact, as a trigger or `applyTracking` would. */
  fact(fact: NewFact & Partial<PendingFact>): void {
    this.#lastFact += 1;
    this.#facts.push({ ...fact, seq: this.#lastFact });
  }

  /** Records one event as if another process had done it; what is not named is made up. */
  record(event: Partial<NewEvent> & { caller: string }): StoredEvent {
    const [recorded] = this.#number([sampleEvent({ at: this.#now(), ...event })]);
    if (!recorded) throw new Error('its caller has an event of this fact');
    this.#wakeAllBut(undefined);
    return recorded;
  }

  /** Deletes every event up to this number, as age does. */
  purgeTo(seq: number): void {
    this.#purge(this.#events.filter((event) => event.seq <= seq));
  }

  open(): EventStore {
    const listeners = new Set<() => void>();
    this.#processes.add(listeners);
    return {
      setSubscriptions: async (subscriptions) => {
        this.#subscriptions = subscriptions;
      },
      pendingFacts: async (limit) => this.#facts.slice(0, limit),
      recordEvents: async (events, done) => {
        const waiting = new Set(this.#facts.map(({ seq }) => seq));
        const recorded = this.#number(events.filter(({ factSeq }) => waiting.has(factSeq)));
        const taken = new Set(done);
        this.#facts.splice(0, this.#facts.length, ...this.#facts.filter(({ seq }) => !taken.has(seq)));
        this.#wakeAllBut(listeners);
        return recorded;
      },
      eventPositions: async (caller) => ({
        epoch: this.epoch,
        last: this.#last,
        purged: this.#purged.get(caller) ?? 0,
      }),
      readEvents: async (caller, ask) => this.#read(caller, ask),
      findEvent: async (caller, id) => this.#events.find((event) => event.caller === caller && event.id === id),
      readNewEvents: async (callers, { after, limit }) =>
        this.#events.filter((event) => event.seq > after && callers.includes(event.caller)).slice(0, limit),
      eventBefore: async (caller, atMs) =>
        this.#events.findLast((event) => event.caller === caller && event.at <= atMs)?.seq ?? 0,
      onForeignEvents: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      expireEvents: async (olderThanMs, limit) =>
        this.#purge(this.#events.filter(({ at }) => at < this.#now() - olderThanMs).slice(0, limit)),
    };
  }

  #number(events: readonly NewEvent[]): StoredEvent[] {
    return events.flatMap(({ id, caller, connectionId, type, fact, at, contact, data }) => {
      if (this.#events.some((event) => event.caller === caller && event.fact === fact)) return [];
      this.#last += 1;
      const event = { id, caller, connectionId, type, fact, at, ...(contact !== undefined && { contact }), data };
      const numbered = { ...event, seq: this.#last };
      this.#events.push(numbered);
      return [numbered];
    });
  }

  #read(caller: string, ask: Parameters<EventStore['readEvents']>[1]): EventPage {
    const behind = this.#events.filter((event) => event.caller === caller && event.seq > ask.after);
    const scanned = behind.slice(0, this.#scanMax);
    const wanted = scanned.filter(
      ({ type, connectionId }) =>
        (ask.types?.includes(type) ?? true) && (ask.connectionId === undefined || ask.connectionId === connectionId),
    );
    const events = wanted.slice(0, ask.limit);
    const isFull = wanted.length > ask.limit;
    const lastSeen = isFull ? events.at(-1)?.seq : scanned.at(-1)?.seq;
    const hasMore = isFull || behind.length > scanned.length;
    return { events, scannedTo: hasMore ? (lastSeen ?? ask.after) : Math.max(ask.after, this.#last), hasMore };
  }

  #purge(old: readonly StoredEvent[]): number {
    for (const { caller, seq } of old) this.#purged.set(caller, Math.max(seq, this.#purged.get(caller) ?? 0));
    const gone = new Set(old);
    this.#events.splice(0, this.#events.length, ...this.#events.filter((event) => !gone.has(event)));
    return old.length;
  }

  #wakeAllBut(own: Set<() => void> | undefined): void {
    for (const listeners of this.#processes)
      if (listeners !== own) for (const listener of [...listeners]) queueMicrotask(listener);
  }
}

let made = 0;

/** An event to be recorded; what is not named is made up, and of no other fact. */
function sampleEvent(event: Partial<NewEvent> & { caller: string }): NewEvent {
  made += 1;
  return {
    id: `evt_${randomBytes(16).toString('base64url')}`,
    connectionId: '21fd90f9-5935-43cd-b6c8-bde9d915ca80',
    type: 'message.delivered',
    fact: `m:${made}:delivered`,
    at: Date.now(),
    data: JSON.stringify({ change: { from: 'sent', to: 'delivered', source: 'webhook' } }),
    ...event,
  };
}
