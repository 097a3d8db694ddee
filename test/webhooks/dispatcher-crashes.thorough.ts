import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Dispatcher } from '../../src/webhooks/dispatcher.ts';
import type { DispatcherServices } from '../../src/webhooks/dispatcher-services.ts';
import type { SendResult } from '../../src/webhooks/sender.ts';
import { ok, type Request, Simulation, status } from './simulation.ts';

const MINUTE = 60_000;
const forever = <T>(): Promise<T> => new Promise(() => undefined);

type CrashAt = 'now' | 'before the next write' | 'after the next write';
type Step =
  | { do: 'record'; contact: number }
  | { do: 'pass'; ms: number }
  | { do: 'answer'; how: 'ok' | 'away' | 'some fail' | 'rest'; afterMs: number }
  | { do: 'crash'; at: CrashAt }
  | { do: 'lose the lease' }
  | { do: 'restart' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('record' as const), contact: fc.nat(4) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(9_000) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      how: fc.constantFrom('ok' as const, 'away' as const, 'some fail' as const, 'rest' as const),
      afterMs: fc.constantFrom(0, 5, 700, 3_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('crash' as const),
      at: fc.constantFrom<CrashAt>('now', 'before the next write', 'after the next write'),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'lose the lease' }, { do: 'restart' }) },
);

/** A process that can die between any two steps of it. */
class Process {
  isDead = false;
  crashAt: CrashAt | undefined;
  readonly #inFlight = new Map<number, string | undefined>();
  readonly dispatcher: Dispatcher;
  readonly sim: Simulation;
  /** What it did that it never may. */
  readonly faults: string[] = [];

  constructor(sim: Simulation) {
    this.sim = sim;
    const { store, sender } = sim.services(this);
    this.dispatcher = sim.start({
      store: {
        readEvents: this.#mortal(store.readEvents),
        claimEndpoints: this.#mortal(store.claimEndpoints),
        dueParked: this.#mortal(store.dueParked),
        nextParkedDueInMs: this.#mortal(store.nextParkedDueInMs),
        saveEndpointProgress: this.#mortal(async (progress) => {
          await sim.clock.wait(2, new AbortController().signal);
          if (this.crashAt === 'before the next write') this.isDead = true;
          const isSaved = this.isDead ? false : await store.saveEndpointProgress(progress);
          if (this.crashAt === 'after the next write') this.isDead = true;
          return isSaved;
        }),
      },
      sender: { send: (...ask) => (this.isDead ? forever() : this.#watched(sender, ask)) },
    });
  }

  #mortal<Args extends unknown[], T>(ask: (...args: Args) => Promise<T>): (...args: Args) => Promise<T> {
    return async (...args) => {
      if (this.isDead) return forever();
      const answer = await ask(...args);
      return this.isDead ? forever() : answer;
    };
  }

  async #watched(
    sender: DispatcherServices['sender'],
    ask: Parameters<DispatcherServices['sender']['send']>,
  ): Promise<SendResult> {
    const [seq, contact] = ask[1].text.split(' ');
    if ([...this.#inFlight.values()].includes(contact)) this.faults.push(`two of ${contact} at once`);
    this.#inFlight.set(Number(seq), contact);
    if (this.#inFlight.size > 8) this.faults.push('more than eight at once');
    const result = await sender.send(...ask);
    this.#inFlight.delete(Number(seq));
    return this.isDead ? forever() : result;
  }
}

interface Delivered {
  event: number;
  contact: string | undefined;
  /** Earlier events of its contact that were parked when it was sent. */
  parkedBefore: number[];
}

class Scenario {
  readonly sim = new Simulation();
  readonly delivered: Delivered[] = [];
  readonly processes: Process[] = [];
  interruptions = 0;
  #how: Extract<Step, { do: 'answer' }> = { do: 'answer', how: 'ok', afterMs: 0 };

  constructor() {
    this.sim.create();
    this.sim.reply = (request) => this.#receive(request);
    this.processes.push(new Process(this.sim));
  }

  get #process(): Process {
    const last = this.processes.at(-1);
    if (!last) throw new Error('there is one');
    return last;
  }

  #receive(request: Request): undefined {
    const { how, afterMs } = this.#how;
    const { event, contact, attempt } = request;
    const parkedBefore = [...this.sim.endpoints.of('e1').parked.keys()].filter((seq) => seq < event);
    const result = how === 'away' ? status(502) : how === 'rest' ? status(429, 2_000) : ok;
    const isBad = how === 'some fail' && (event + attempt) % 3 === 0;
    const answered = () => {
      if (!isBad && result === ok) this.delivered.push({ event, contact, parkedBefore });
      request.answer(isBad ? status(500) : result);
    };
    if (afterMs === 0) answered();
    else void this.sim.clock.wait(afterMs + event, new AbortController().signal).then(answered);
    return undefined;
  }

  async take(next: Step): Promise<void> {
    const { clock } = this.sim;
    if (next.do === 'record') this.sim.record(`c${next.contact}`);
    else if (next.do === 'pass') await clock.pass(next.ms);
    else if (next.do === 'answer') this.#how = next;
    else await this.#interrupt(next);
    if (this.#process.isDead) await this.#succeed();
  }

  async #interrupt(next: Extract<Step, { do: 'crash' | 'lose the lease' | 'restart' }>): Promise<void> {
    const process = this.#process;
    if (next.do === 'restart') {
      const stopped = process.dispatcher.stop();
      await this.sim.clock.pass(10_000);
      if (!process.isDead) await stopped;
      process.isDead = true;
    } else {
      this.interruptions += 1;
      if (next.do === 'lose the lease') await this.#succeed();
      else if (next.at === 'now') process.isDead = true;
      else process.crashAt = next.at;
    }
  }

  /** Another process takes over. */
  async #succeed(): Promise<void> {
    this.sim.endpoints.bury(this.#process);
    this.processes.push(new Process(this.sim));
    await this.sim.clock.pass(1);
  }

  /** From now on everything works. */
  async end(): Promise<void> {
    this.#how = { do: 'answer', how: 'ok', afterMs: 0 };
    for (let n = 0; n < 6; n++) {
      await this.sim.clock.pass(5_000);
      if (this.#process.isDead) await this.#succeed();
      await this.sim.clock.jump(30 * MINUTE);
    }
    await this.sim.clock.pass(5_000);
    for (const { dispatcher } of this.processes) dispatcher.cutOff();
  }
}

test('whatever fails, dies or is taken over, each event is delivered, doubled at most what was in flight, in the order of its contact', async () => {
  const check = async (steps: Step[]) => {
    const scenario = new Scenario();
    for (const next of steps) await scenario.take(next);
    await scenario.end();
    const recorded = steps.filter((each) => each.do === 'record').length;
    const { sim, delivered, processes, interruptions } = scenario;
    const first = new Map<number, { place: number; event: Delivered }>();
    for (const [place, event] of delivered.entries())
      if (!first.has(event.event)) first.set(event.event, { place, event });
    expect([...first.keys()].toSorted((a, b) => a - b)).toEqual(Array.from({ length: recorded }, (_, n) => n + 1));
    expect(delivered.length - first.size).toBeLessThanOrEqual(8 * interruptions);
    expect(processes.flatMap(({ faults }) => faults)).toEqual([]);
    const overtaken = [...first.values()].flatMap(({ place, event: later }) =>
      [...first.values()]
        .filter(
          ({ event, place: after }) => event.contact === later.contact && event.event < later.event && after > place,
        )
        .filter(({ event }) => !later.parkedBefore.includes(event.event))
        .map(({ event }) => `${later.event} before ${event.event}`),
    );
    expect(overtaken).toEqual([]);
    expect(sim.endpoints.of('e1')).toMatchObject({
      endpoint: { status: 'enabled', position: recorded, ahead: [], failures: 0 },
      parked: new Map(),
    });
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), check), {
    numRuns: 60,
    endOnFailure: true,
  });
});
