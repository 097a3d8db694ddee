import { beforeEach, describe, expect, test } from 'vitest';
import { StoreError } from '../../src/store/errors.ts';
import type { Dispatcher } from '../../src/webhooks/dispatcher.ts';
import { AHEAD_MAX } from '../../src/webhooks/event-walk.ts';
import { ok, Simulation, status } from './simulation.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

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
const replay = async (position: number, until: number, request = 1) => {
  sim.endpoints.change('e1', { replay: { request, position, until, ahead: [] } });
  dispatcher.wake();
  await sim.clock.pass(0);
};

describe('a replay', () => {
  test('sends the events of a stretch again, once, and is over then', async () => {
    sim.create();
    sim.recordMany(40);
    await start();
    sim.sent();
    await replay(10, 30);
    expect(sim.sent()).toEqual(Array.from({ length: 20 }, (_, n) => n + 11));
    expect(endpoint()).not.toHaveProperty('replay');
    await sim.clock.pass(5 * SECOND);
    expect([sim.sent(), endpoint().position]).toEqual([[], 40]);
  });

  test('leaves live events their slots, and goes on beside them', async () => {
    sim.create();
    sim.recordMany(100);
    await start();
    sim.sent();
    sim.reply = () => undefined;
    await replay(0, 100);
    expect(sim.requests.map(({ event }) => event)).toEqual([1, 2, 3, 4, 5, 6]);
    sim.recordMany(5);
    await sim.clock.pass(20);
    const underWay = sim.requests.splice(0);
    expect(underWay.map(({ event }) => event).slice(6)).toEqual([101, 102]);
    // However many new events there are, one of the replay is under way.
    sim.recordMany(100);
    sim.reply = () => ok;
    for (const request of underWay) request.answer();
    await sim.clock.pass(20);
    const order = sim.sent();
    expect(order.slice(0, 20).filter((event) => event <= 100).length).toBeGreaterThan(2);
  });

  test('parks what fails, and does not send twice what comes with the live events', async () => {
    sim.create();
    sim.reply = () => undefined;
    sim.recordMany(4);
    await start();
    sim.requests[0]?.answer();
    await sim.clock.pass(0);
    expect(sim.sent()).toEqual([1, 2, 3, 4]);
    sim.reply = ({ event }) => (event === 1 ? status(500) : ok);
    await replay(0, 4);
    expect(sim.sent()).toEqual([1]);
    expect(sim.parked()).toEqual(['1 pending 1']);
    sim.reply = () => ok;
    await sim.clock.pass(5 * SECOND);
    expect([sim.sent(), sim.parked()]).toEqual([[1], []]);
  });

  test('is gone on with by the next process, and begun anew by the next request', async () => {
    sim.create();
    sim.recordMany(30);
    await start();
    sim.sent();
    sim.reply = ({ event }) => (event > 20 ? undefined : ok);
    await replay(0, 30);
    for (const request of sim.requests) request.answer();
    await dispatcher.stop();
    const walked = endpoint().replay?.position ?? 0;
    expect(walked).toBeGreaterThanOrEqual(20);
    sim.endpoints.bury(sim.endpoints.of('e1').owner ?? {});
    sim.sent();
    sim.reply = () => ok;
    await start();
    expect(sim.sent()).toEqual(Array.from({ length: 30 - walked }, (_, n) => walked + n + 1));
    await replay(28, 30, 2);
    expect(sim.sent()).toEqual([29, 30]);
  });

  test('of single events sends what was parked for it, also by another process', async () => {
    sim.create();
    sim.recordMany(3);
    await start();
    sim.sent();
    sim.endpoints.park('e1', 2);
    dispatcher.wake();
    await sim.clock.pass(0);
    expect([sim.sent(), sim.parked()]).toEqual([[2], []]);
    sim.endpoints.park('e1', 3);
    await sim.clock.pass(5 * SECOND);
    expect([sim.sent(), sim.parked()]).toEqual([[3], []]);
  });

  test('tries its oldest event, where there is no live one, to find out whether an endpoint is back', async () => {
    sim.create();
    sim.recordMany(10);
    await start();
    sim.sent();
    sim.reply = () => status(500);
    await replay(2, 10);
    sim.sent();
    await sim.clock.pass(10 * SECOND);
    expect(new Set(sim.sent())).toEqual(new Set([3]));
    expect(sim.parked()).toEqual([]);
    sim.reply = () => ok;
    await sim.clock.pass(MINUTE);
    expect(sim.sent()).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
  });
});

describe('a process that ends', () => {
  test('lets requests in flight end, records them, and begins no others', async () => {
    sim.create();
    sim.reply = () => undefined;
    sim.recordMany(20);
    await start();
    const stopped = dispatcher.stop();
    await sim.clock.pass(SECOND);
    expect(sim.requests).toHaveLength(8);
    for (const request of sim.requests) request.answer();
    await sim.clock.settle();
    await stopped;
    expect([sim.sent().length, endpoint().position]).toEqual([8, 8]);
  });

  test('gives requests up that take longer than it may, and records nothing of them', async () => {
    sim.create();
    sim.reply = ({ event }) => (event === 1 ? undefined : ok);
    sim.recordMany(3);
    await start();
    const stopped = dispatcher.stop();
    await sim.clock.pass(10 * SECOND);
    await stopped;
    expect(sim.requests[0]?.signal.aborted).toBe(true);
    expect(endpoint()).toMatchObject({ position: 0, ahead: [2, 3], failures: 0 });
    expect(sim.parked()).toEqual([]);
  });

  test('ends also while the store is away', async () => {
    sim.create();
    sim.recordMany(3);
    const { store } = sim.services({});
    const saveEndpointProgress = () => Promise.reject(new StoreError('away', { notCommitted: true }));
    await start({ store: { ...store, saveEndpointProgress } });
    const stopped = dispatcher.stop();
    await sim.clock.pass(20 * SECOND);
    await stopped;
    expect(endpoint().position).toBe(0);
  });
});

describe('a store that is away', () => {
  test('lets no more than eight events out, and what they did is recorded when it is back', async () => {
    sim.create();
    sim.recordMany(50);
    let isAway = true;
    const { store } = sim.services({});
    await start({
      store: {
        ...store,
        saveEndpointProgress: (progress) =>
          isAway ? Promise.reject(new StoreError('away', {})) : store.saveEndpointProgress(progress),
      },
    });
    await sim.clock.pass(MINUTE);
    expect(sim.sent()).toHaveLength(8);
    isAway = false;
    await sim.clock.pass(SECOND);
    expect([sim.sent().length, endpoint().position]).toEqual([42, 50]);
    expect(sim.faults.length).toBeGreaterThan(10);
  });

  test('is asked again each second for events and endpoints', async () => {
    sim.create();
    sim.recordMany(2);
    let asked = 0;
    const { store } = sim.services({});
    const flaky =
      <Args extends unknown[], T>(ask: (...args: Args) => Promise<T>) =>
      (...args: Args): Promise<T> =>
        asked++ < 3 ? Promise.reject(new StoreError('away', {})) : ask(...args);
    await start({
      store: { ...store, readEvents: flaky(store.readEvents), claimEndpoints: flaky(store.claimEndpoints) },
    });
    await sim.clock.pass(5 * SECOND);
    expect(sim.sent()).toEqual([1, 2]);
  });
});

test('the numbers of events that are settled ahead of a slow one are bounded', async () => {
  sim.create();
  sim.reply = ({ event }) => (event === 1 ? undefined : ok);
  for (let n = 0; n < AHEAD_MAX + 100; n++) sim.record();
  await start();
  await sim.clock.pass(SECOND);
  expect(sim.requests.length).toBeGreaterThan(AHEAD_MAX);
  expect(sim.requests.length).toBeLessThanOrEqual(AHEAD_MAX + 8);
  sim.requests[0]?.answer();
  await sim.clock.pass(SECOND);
  expect(sim.requests).toHaveLength(AHEAD_MAX + 100);
});
