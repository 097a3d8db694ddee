import { beforeEach, describe, expect, test } from 'vitest';
import type { Dispatcher } from '../../src/webhooks/dispatcher.ts';
import { ok, type Request, Simulation, status } from './simulation.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

let sim: Simulation;
let dispatcher: Dispatcher;
beforeEach(() => {
  sim = new Simulation();
});
const start = async (more: Parameters<Simulation['start']>[0] = {}) => {
  dispatcher = sim.start(more);
  await sim.clock.pass(0);
};
const endpoint = (id = 'e1') => sim.endpoints.of(id).endpoint;

describe('an endpoint', () => {
  test('is told of each event of its types once, in their order, as soon as it is recorded', async () => {
    sim.create('e1', { types: ['message.*'] });
    const [first] = sim.recordMany(2);
    sim.record(undefined, { type: 'webhook_endpoint.failing', connectionId: '' });
    sim.record(undefined, { caller: 'shop' });
    await start();
    expect(sim.sent()).toEqual([first?.seq, 2]);
    sim.record();
    await sim.clock.pass(50);
    expect(sim.sent()).toEqual([5]);
    await sim.clock.pass(5 * SECOND);
    expect(sim.sent()).toEqual([]);
    expect(endpoint()).toMatchObject({ position: 5, ahead: [], failures: 0, lastSuccessAt: expect.any(Number) });
    expect(sim.results).toEqual(Array.from({ length: 3 }, () => ['e1', 'delivered']));
    expect(sim.endpoints.of('e1').attempts).toMatchObject([{ eventSeq: 1, status: 200, durationMs: 3 }, {}, {}]);
  });

  test('is told of events that another process recorded within a second, though nobody tells of them', async () => {
    sim.create();
    await start();
    sim.events.record({ caller: 'crm' });
    await sim.clock.pass(SECOND);
    expect(sim.sent()).toEqual([1]);
  });

  test('has at most eight requests of which the result is not recorded, and never two of one contact', async () => {
    sim.create();
    sim.reply = () => undefined;
    for (const contact of ['a', 'a', 'b', 'b', 'a']) sim.record(contact);
    sim.recordMany(20);
    await start();
    expect(sim.requests.map(({ event }) => event)).toEqual([1, 3, 6, 7, 8, 9, 10, 11]);
    sim.requests[0]?.answer();
    await sim.clock.settle();
    expect(sim.requests.map(({ event }) => event).slice(8)).toEqual([2]);
    expect(endpoint()).toMatchObject({ position: 1, ahead: [] });
    sim.requests[3]?.answer();
    await sim.clock.settle();
    expect(endpoint()).toMatchObject({ position: 1, ahead: [7] });
  });

  test('gets no next request while the result of an earlier one is being recorded', async () => {
    sim.create();
    sim.recordMany(20);
    let record: (() => void) | undefined;
    const services = sim.services({});
    await start({
      store: {
        ...services.store,
        saveEndpointProgress: (progress) =>
          new Promise((resolve) => {
            record = () => resolve(services.store.saveEndpointProgress(progress));
          }),
      },
    });
    expect(sim.sent()).toHaveLength(8);
    await sim.clock.pass(10 * SECOND);
    expect(sim.sent()).toEqual([]);
    record?.();
    await sim.clock.pass(0);
    // The first write had one result; the others share the next.
    expect(sim.sent()).toEqual([9]);
    record?.();
    await sim.clock.pass(0);
    expect(sim.sent()).toHaveLength(7);
  });

  test('is told nothing of connections that its caller may not use, nor anything while its caller may have no endpoints', async () => {
    sim.create();
    sim.permissions = () => undefined;
    sim.record(undefined, { connectionId: 'mine' });
    sim.record(undefined, { connectionId: 'foreign' });
    await start();
    expect(sim.sent()).toEqual([]);
    sim.permissions = (caller) => (connectionId) => caller === 'crm' && connectionId === 'mine';
    await sim.clock.pass(SECOND);
    expect(sim.sent()).toEqual([1]);
    sim.permissions = () => () => true;
    await sim.clock.pass(MINUTE);
    expect(sim.sent()).toEqual([]);
    await sim.clock.pass(MINUTE);
    expect(endpoint().position).toBe(2);
  });

  test('follows changes of its address and types', async () => {
    sim.create();
    await start();
    sim.endpoints.change('e1', { types: ['message.read'] });
    dispatcher.wake();
    await sim.clock.pass(0);
    sim.recordMany(2);
    sim.record(undefined, { type: 'message.read' });
    await sim.clock.pass(SECOND);
    expect(sim.sent()).toEqual([3]);
  });

  test('that is deleted or disabled by its caller is told nothing more; enabled again it goes on', async () => {
    sim.create();
    await start();
    sim.endpoints.change('e1', { status: 'disabled', reason: 'caller' });
    await sim.clock.pass(SECOND);
    sim.recordMany(2);
    await sim.clock.pass(5 * SECOND);
    expect(sim.sent()).toEqual([]);
    expect(dispatcher.states()).toEqual([{ id: 'e1', status: 'disabled_by_caller', lagMs: 0 }]);
    sim.endpoints.change('e1', { status: 'enabled' });
    dispatcher.wake();
    await sim.clock.pass(0);
    expect(sim.sent()).toEqual([1, 2]);
    sim.endpoints.remove('e1');
    await sim.clock.pass(SECOND);
    sim.record();
    await sim.clock.pass(5 * SECOND);
    expect([sim.sent(), dispatcher.states()]).toEqual([[], []]);
  });

  test('that is set to another position goes on from there', async () => {
    sim.create();
    sim.recordMany(5);
    sim.reply = () => undefined;
    await start();
    sim.endpoints.change('e1', { position: 4, ahead: [] });
    await sim.clock.pass(SECOND);
    for (const request of sim.requests.splice(0)) request.answer();
    await sim.clock.pass(SECOND);
    expect(sim.sent()).toEqual([5]);
  });
});

describe('an event that fails while others are delivered', () => {
  /** Fails the events that it says, delivers the others. */
  const failing =
    (...bad: number[]) =>
    ({ event }: Request) =>
      bad.includes(event) ? status(500) : ok;

  test('is parked and tried after 5 s, 1 m, 5 m, 30 m, 2 h, 5 h, 10 h and 10 h, then given up', async () => {
    sim.create();
    sim.reply = failing(2);
    sim.recordMany(3);
    await start();
    expect(sim.sent()).toEqual([1, 2, 3]);
    expect(sim.parked()).toEqual(['2 pending 1']);
    expect(endpoint()).toMatchObject({ position: 3, ahead: [], failures: 0 });
    const waits = [5 * SECOND, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR];
    for (const [tries, wait] of waits.entries()) {
      await sim.clock.jump(wait - SECOND);
      expect(sim.sent()).toEqual([]);
      await sim.clock.pass(SECOND);
      expect(sim.requests.map(({ event, attempt }) => [event, attempt])).toEqual([[2, tries + 2]]);
      expect(sim.sent()).toEqual([2]);
    }
    expect(sim.parked()).toEqual(['2 failed 9']);
    await sim.clock.jump(24 * HOUR);
    await sim.clock.pass(10 * SECOND);
    expect(sim.sent()).toEqual([]);
  });

  test.each([
    ['a name that does not resolve', { error: 'its name does not resolve' }],
    ['no answer in time', { error: 'no answer within 10 s' }],
    [
      'an address that may not be called any more',
      { error: 'its address may not be called', refused: 'loopback' as const },
    ],
    ['a redirect', status(302)],
    ['404', status(404)],
    ['429 without Retry-After', status(429)],
  ])('by %s is tried again', async (_, result) => {
    sim.create();
    sim.reply = ({ event, attempt }) => (event === 1 && attempt === 1 ? result : ok);
    sim.recordMany(2);
    await start();
    expect(sim.parked()).toEqual(['1 pending 1']);
    await sim.clock.pass(5 * SECOND);
    expect([sim.sent(), sim.parked()]).toEqual([[1, 2, 1], []]);
    expect(endpoint()).toMatchObject({ status: 'enabled', position: 2 });
  });

  test.each([
    [0, 4_000],
    [0.999_999, 6_000],
  ])('waits a fifth less or more at random', async (random, wait) => {
    sim.create();
    sim.clock.random = () => random;
    sim.reply = failing(1);
    sim.recordMany(2);
    await start();
    sim.sent();
    await sim.clock.pass(wait - 1);
    expect(sim.sent()).toEqual([]);
    await sim.clock.pass(1);
    expect(sim.sent()).toEqual([1]);
  });

  test('is parked no more when it is delivered', async () => {
    sim.create();
    sim.reply = ({ event, attempt }) => (event === 1 && attempt < 3 ? status(404) : ok);
    sim.recordMany(2);
    await start();
    await sim.clock.pass(5 * SECOND);
    expect(sim.parked()).toEqual(['1 pending 2']);
    await sim.clock.pass(MINUTE);
    expect([sim.parked(), sim.sent()]).toEqual([[], [1, 2, 1, 1]]);
  });

  test('holds up no others, and later events of its contact only until the next result', async () => {
    sim.create();
    sim.reply = ({ event }) => (event === 1 ? status(500) : undefined);
    for (const contact of ['a', 'a', 'b']) sim.record(contact);
    await start();
    expect(sim.sent()).toEqual([1, 3]);
    await sim.clock.pass(4 * SECOND);
    expect(sim.sent()).toEqual([]);
    // The first try of what is parked comes before them.
    await sim.clock.pass(SECOND);
    expect(sim.requests.map(({ event, attempt }) => [event, attempt])).toEqual([
      [1, 2],
      [2, 1],
    ]);
  });

  test('which is the only one is parked all the same', async () => {
    sim.create();
    sim.reply = failing(1);
    sim.record();
    await start();
    expect(sim.parked()).toEqual(['1 pending 1']);
    // Should it turn out that all fail, it comes first.
    expect(endpoint()).toMatchObject({ position: 0, ahead: [1], failures: 1, failingSince: sim.clock.now() });
    await sim.clock.pass(5 * SECOND);
    expect(sim.parked()).toEqual(['1 pending 2']);
    sim.record();
    await sim.clock.pass(SECOND);
    expect(endpoint()).toMatchObject({ position: 2, ahead: [], failures: 0 });
    expect(endpoint()).not.toHaveProperty('failingSince');
  });

  test('of a type that the endpoint is not told of any more is parked no more', async () => {
    sim.create();
    sim.reply = failing(1);
    sim.recordMany(2);
    await start();
    sim.endpoints.change('e1', { types: ['message.read'] });
    await sim.clock.pass(6 * SECOND);
    expect([sim.sent(), sim.parked()]).toEqual([[1, 2], []]);
  });
});
