import type { EventStore, StoredEvent } from '../../src/store/event-store.ts';
import type {
  EndpointAttempt,
  EndpointProgress,
  NewEndpoint,
  ParkedEvent,
  StoredEndpoint,
  WebhookEndpointStore,
} from '../../src/store/webhook-endpoint-store.ts';

type Parked = ParkedEvent & { dueAt: number };
type Port = Pick<
  WebhookEndpointStore,
  'claimEndpoints' | 'saveEndpointProgress' | 'dueParked' | 'nextParkedDueInMs' | 'parkedCounts'
>;

interface Kept {
  endpoint: StoredEndpoint;
  owner: object | undefined;
  parked: Map<number, Parked>;
  attempts: EndpointAttempt[];
  facts: string[];
}

/** A database of webhook endpoints in memory. Each `open` is a process on it. */
export class MemoryEndpoints {
  readonly #events: Pick<EventStore, 'readEvents'>;
  readonly #now: () => number;
  readonly #kept = new Map<string, Kept>();
  writes = 0;

  constructor(events: Pick<EventStore, 'readEvents'>, now: () => number) {
    this.#events = events;
    this.#now = now;
  }

  create(endpoint: NewEndpoint): void {
    const stored: StoredEndpoint = {
      ...endpoint,
      ...{ status: 'enabled', createdAt: this.#now(), updatedAt: this.#now(), secretVersion: 1 },
      ...{ failures: 0, epoch: 0, ahead: [] },
    };
    const kept = { endpoint: stored, owner: undefined, parked: new Map(), attempts: [], facts: [] };
    this.#kept.set(endpoint.id, kept);
  }

  of(id: string): Kept {
    const kept = this.#kept.get(id);
    if (kept === undefined) throw new Error(`there is no ${id}`);
    return kept;
  }

  /** A change by its caller, or of what is kept. */
  change(id: string, change: Partial<StoredEndpoint>): void {
    const kept = this.of(id);
    const isFenced = change.status !== undefined || change.position !== undefined;
    kept.endpoint = { ...kept.endpoint, ...change, epoch: kept.endpoint.epoch + (isFenced ? 1 : 0) };
  }

  park(id: string, eventSeq: number, dueInMs = 0): void {
    const row = { eventSeq, state: 'pending' as const, tries: 0, dueAt: this.#now() + dueInMs };
    this.of(id).parked.set(eventSeq, row);
  }

  remove(id: string): void {
    this.#kept.delete(id);
  }

  /** The process is dead: another one takes over what it served. */
  bury(owner: object): void {
    for (const kept of this.#kept.values()) if (kept.owner === owner) kept.owner = undefined;
  }

  open(owner: object): Port {
    return {
      claimEndpoints: async () => {
        const all = [...this.#kept.values()];
        for (const kept of all) {
          if (kept.owner !== undefined) continue;
          kept.owner = owner;
          kept.endpoint = { ...kept.endpoint, epoch: kept.endpoint.epoch + 1 };
        }
        return all.filter((kept) => kept.owner === owner).map(({ endpoint }) => structuredClone(endpoint));
      },
      saveEndpointProgress: async (progress) => this.#save(structuredClone(progress)),
      dueParked: (id, limit) => this.#due(id, limit),
      nextParkedDueInMs: async (id) => {
        const pending = [...(this.#kept.get(id)?.parked.values() ?? [])].filter(({ state }) => state === 'pending');
        if (pending.length === 0) return undefined;
        return Math.max(0, Math.min(...pending.map(({ dueAt }) => dueAt)) - this.#now());
      },
      parkedCounts: async () => new Map(),
    };
  }

  #save({ id, epoch, parked, unparked, attempts, facts = [], disable, replay, ...state }: EndpointProgress): boolean {
    const kept = this.#kept.get(id);
    if (kept === undefined || kept.endpoint.epoch !== epoch) return false;
    this.writes += 1;
    const { failingSince: _, replay: before, ...rest } = kept.endpoint;
    const isCurrent = replay !== undefined && replay.request === before?.request;
    const after = isCurrent ? (replay.isDone ? undefined : replay) : before;
    kept.endpoint = {
      ...rest,
      ...state,
      ...(after && { replay: after }),
      ...(disable && { status: 'disabled', reason: disable.reason }),
    };
    for (const seq of unparked) kept.parked.delete(seq);
    for (const row of parked) kept.parked.set(row.eventSeq, { ...row, dueAt: this.#now() + (row.dueInMs ?? 0) });
    kept.attempts.push(...attempts);
    for (const { fact } of facts) if (!kept.facts.includes(fact)) kept.facts.push(fact);
    return true;
  }

  async #due(id: string, limit: number): Promise<(ParkedEvent & { event: StoredEvent })[]> {
    const kept = this.#kept.get(id);
    const due = [...(kept?.parked.values() ?? [])]
      .filter(({ state, dueAt }) => state === 'pending' && dueAt <= this.#now())
      .toSorted((a, b) => a.dueAt - b.dueAt || a.eventSeq - b.eventSeq)
      .slice(0, limit);
    const found = due.map(async ({ dueAt: _, ...row }) => {
      const ask = { after: row.eventSeq - 1, limit: 1 };
      const { events } = await this.#events.readEvents(kept?.endpoint.caller ?? '', ask);
      return events.flatMap((event) => (event.seq === row.eventSeq ? { ...row, dueInMs: 0, event } : []));
    });
    return (await Promise.all(found)).flat();
  }
}
