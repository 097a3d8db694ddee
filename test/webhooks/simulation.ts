import { setImmediate } from 'node:timers/promises';
import type { NewEvent, StoredEvent } from '../../src/store/event-store.ts';
import type { NewEndpoint } from '../../src/store/webhook-endpoint-store.ts';
import { createDispatcher, type Dispatcher } from '../../src/webhooks/dispatcher.ts';
import type { DispatcherServices, EventAttemptResult } from '../../src/webhooks/dispatcher-services.ts';
import type { SendResult } from '../../src/webhooks/sender.ts';
import { MemoryEndpoints } from '../support/memory-endpoints.ts';
import { MemoryEvents } from '../support/memory-event-store.ts';

/** Time that passes only when the test says so. Both clocks show the same. */
class SimulatedClock {
  #now = Date.parse('2026-11-30T10:00:00Z');
  readonly #waits = new Set<{ at: number; over: () => void }>();
  random = () => 0.5;

  now = (): number => this.#now;
  monotonic = (): number => this.#now;

  wait = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const over = () => {
        this.#waits.delete(wait);
        resolve();
      };
      const wait = { at: this.#now + ms, over };
      this.#waits.add(wait);
      if (signal.aborted) over();
      else signal.addEventListener('abort', over, { once: true });
    });

  /** Runs everything that is due on the way, one moment after another. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    await this.settle();
    for (;;) {
      const next = Math.min(...[...this.#waits].map(({ at }) => at));
      if (next > until) break;
      this.#now = Math.max(this.#now, next);
      await this.#ring();
    }
    this.#now = until;
    await this.#ring();
  }

  /** Everything that is due until then happens then: for long times. */
  async jump(ms: number): Promise<void> {
    this.#now += ms;
    await this.#ring();
  }

  async #ring(): Promise<void> {
    for (const wait of [...this.#waits]) if (wait.at <= this.#now) wait.over();
    await this.settle();
  }

  /** What runs without time having to pass. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 8; turn++) await setImmediate();
  }
}

export interface Request {
  endpoint: string;
  event: number;
  contact: string | undefined;
  attempt: number;
  at: number;
  /** Answers it. */
  answer: (result?: Partial<SendResult>) => void;
  signal: AbortSignal;
}

type Reply = (request: Request) => Partial<SendResult> | undefined;

export const ok: Partial<SendResult> = { status: 200 };
export const status = (code: number, retryAfterMs?: number): Partial<SendResult> => ({
  ...{ status: code, error: `answered ${code}` },
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});

/** Endpoints, events and a receiver, in simulated time; any number of processes serve them. */
export class Simulation {
  readonly clock = new SimulatedClock();
  readonly events = new MemoryEvents({ now: this.clock.now });
  readonly endpoints = new MemoryEndpoints(this.events.open(), this.clock.now);
  readonly requests: Request[] = [];
  readonly results: [endpoint: string, result: EventAttemptResult][] = [];
  readonly logged: { level: string; message: string; facts: Record<string, unknown> }[] = [];
  readonly faults: unknown[] = [];
  /** What a caller may use; undefined: it is gone. */
  permissions: DispatcherServices['connectionsOf'] = () => () => true;
  /** Answers each request; undefined: the test answers it itself. */
  reply: Reply = () => ok;
  readonly #listeners = new Set<() => void>();

  create(id = 'e1', more: Partial<NewEndpoint> = {}): void {
    this.endpoints.create({ id, caller: 'crm', url: `https://${id}.example/in`, types: ['*'], position: 0, ...more });
  }

  /** Records an event; each has a contact of its own unless one is named. */
  record(contact?: string, more: Partial<NewEvent> = {}): StoredEvent {
    const event = this.events.record({ caller: 'crm', at: this.clock.now(), ...(contact && { contact }), ...more });
    for (const listener of this.#listeners) listener();
    return event;
  }

  recordMany(count: number): StoredEvent[] {
    return Array.from({ length: count }, () => this.record());
  }

  start(more: Partial<DispatcherServices> = {}): Dispatcher {
    const dispatcher = createDispatcher(this.services({}, more));
    dispatcher.start();
    return dispatcher;
  }

  services(owner: object, more: Partial<DispatcherServices> = {}): DispatcherServices {
    const log = (level: string) => (facts: object, message: string) =>
      void this.logged.push({ level, message, facts: { ...facts } });
    return {
      store: { ...this.events.open(), ...this.endpoints.open(owner) },
      sender: {
        send: (endpoint, event, attempt, signal) => this.#receive({ endpoint: endpoint.id, event, attempt, signal }),
      },
      signal: {
        subscribe: (listener) => {
          this.#listeners.add(listener);
          return () => this.#listeners.delete(listener);
        },
      },
      isAvailable: () => true,
      text: (event) => String(event.seq) + (event.contact === undefined ? '' : ` ${event.contact}`),
      connectionsOf: (caller) => this.permissions(caller),
      metrics: { attempted: (id, result) => void this.results.push([id, result]), forget: () => undefined },
      logger: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
      onFault: (error) => void this.faults.push(error),
      ...{ disableAfterMs: 72 * 60 * 60_000, catchUpPerSecond: 1e9, drainMs: 10_000, clock: this.clock },
      ...more,
    };
  }

  #receive(ask: {
    endpoint: string;
    event: { text: string };
    attempt: number;
    signal: AbortSignal;
  }): Promise<SendResult> {
    const { endpoint, event, attempt, signal } = ask;
    const [seq = '', contact] = event.text.split(' ');
    return new Promise((resolve) => {
      const answer: Request['answer'] = (result = ok) => resolve({ durationMs: 3, ...result });
      signal.addEventListener('abort', () => answer({ error: 'aborted' }), { once: true });
      const request = { endpoint, event: Number(seq), contact, attempt, at: this.clock.now(), answer, signal };
      this.requests.push(request);
      const result = this.reply(request);
      if (result) answer(result);
    });
  }

  /** The numbers of the events that were sent since the last call. */
  sent(): number[] {
    return this.requests.splice(0).map(({ event }) => event);
  }

  parked(id = 'e1'): string[] {
    return [...this.endpoints.of(id).parked.values()].map(
      ({ eventSeq, state, tries }) => `${eventSeq} ${state} ${tries}`,
    );
  }
}
