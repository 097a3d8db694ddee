import { beforeEach, describe, expect, test } from 'vitest';
import type { Dispatcher } from '../../src/webhooks/dispatcher.ts';
import { ok, Simulation, status } from './simulation.ts';

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
const away = () => status(503);

describe('an endpoint at which all events fail', () => {
  test('is tried with its oldest event after 1, 2, 5, 10, 30 and 60 s, then each minute, and nothing of it is parked', async () => {
    sim.create();
    sim.reply = away;
    sim.recordMany(30);
    await start();
    expect(sim.sent()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([sim.parked(), endpoint()]).toMatchObject([[], { position: 0, ahead: [], failures: 8 }]);
    for (const wait of [1, 2, 5, 10, 30, 60, 60, 60]) {
      await sim.clock.pass(wait * SECOND - 1);
      expect(sim.sent()).toEqual([]);
      await sim.clock.pass(1);
      expect(sim.sent()).toEqual([1]);
    }
    expect(sim.parked()).toEqual([]);
  });

  test('gets them at full speed after the first success, all of them, in order', async () => {
    sim.create();
    sim.reply = away;
    sim.recordMany(8);
    await start();
    await sim.clock.pass(MINUTE);
    const during = Array.from({ length: 500 }, () => sim.record('a'));
    await sim.clock.pass(HOUR);
    expect([sim.parked(), endpoint()]).toMatchObject([[], { position: 0, ahead: [] }]);
    sim.sent();
    sim.reply = () => ok;
    await sim.clock.pass(MINUTE);
    expect(sim.sent()).toEqual(Array.from({ length: 8 + during.length }, (_, n) => n + 1));
    expect(endpoint()).toMatchObject({ position: 508, ahead: [], failures: 0 });
  });

  test('catches up at the pace of the process, while events of another endpoint go out at once', async () => {
    sim.create();
    sim.create('e2', { position: 1_000 });
    sim.recordMany(1_000);
    await sim.clock.jump(HOUR);
    await start({ catchUpPerSecond: 100 });
    sim.sent();
    for (let second = 0; second < 3; second++) {
      await sim.clock.pass(SECOND);
      expect(sim.requests.splice(0).length).toBeLessThanOrEqual(108);
    }
    const { seq } = sim.record();
    await sim.clock.pass(20);
    expect(sim.requests.filter(({ endpoint: id }) => id === 'e2').map(({ event }) => event)).toEqual([seq]);
    await sim.clock.pass(8 * SECOND);
    expect(endpoint()).toMatchObject({ position: seq, ahead: [] });
    sim.sent();
    // Not late any more: no pace.
    sim.recordMany(500);
    await sim.clock.pass(SECOND);
    expect(sim.sent()).toHaveLength(1_000);
  });

  test('that takes all but the oldest ones is found out within minutes, and gets the others', async () => {
    sim.create();
    sim.reply = ({ event }) => (event <= 6 ? status(500) : ok);
    sim.recordMany(6);
    await start();
    expect(sim.parked()).toEqual([]);
    sim.recordMany(50);
    // Until then it could be away.
    await sim.clock.pass(5 * MINUTE);
    expect(new Set(sim.sent().slice(6))).toEqual(new Set([1]));
    await sim.clock.pass(7 * MINUTE);
    expect(sim.parked()).toEqual([1, 2, 3, 4, 5, 6].map((event) => expect.stringMatching(`^${event} pending`)));
    expect(endpoint()).toMatchObject({ position: 56, ahead: [] });
  });

  test('is not one that fails five times at a single event', async () => {
    sim.create();
    sim.reply = away;
    sim.record();
    await start();
    for (const wait of [5 * SECOND, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR]) await sim.clock.jump(wait);
    expect([sim.sent(), sim.parked()]).toEqual([[1, 1, 1, 1, 1, 1], ['1 pending 6']]);
  });

  test('is one at which few events fail, each several times: they come first and in order when it is back', async () => {
    sim.create();
    sim.reply = away;
    sim.record('a');
    await start();
    expect(sim.parked()).toEqual(['1 pending 1']);
    await sim.clock.pass(5 * SECOND);
    sim.record('a');
    await sim.clock.pass(SECOND);
    expect(sim.parked()).toEqual(['1 pending 2', '2 pending 1']);
    await sim.clock.pass(5 * SECOND);
    expect([sim.sent(), sim.parked()]).toEqual([
      [1, 1, 2, 2],
      ['1 pending 2', '2 pending 2'],
    ]);
    sim.record('b');
    await sim.clock.pass(20);
    expect([sim.sent(), sim.parked()]).toEqual([[3], []]);
    expect(endpoint()).toMatchObject({ position: 0, ahead: [] });
    sim.reply = () => ok;
    await sim.clock.pass(MINUTE);
    expect([sim.sent(), endpoint().position]).toEqual([[1, 2, 3], 3]);
  });

  test('has waits that failures under way when they began do not lengthen', async () => {
    sim.create();
    sim.reply = () => undefined;
    sim.recordMany(9);
    await start();
    const requests = sim.requests.splice(0);
    for (const request of requests.slice(0, 5)) request.answer(away());
    await sim.clock.pass(SECOND);
    expect(sim.requests.map(({ event }) => event)).toEqual([1]);
    for (const request of requests.slice(5)) request.answer(away());
    sim.requests.shift()?.answer(away());
    await sim.clock.pass(2 * SECOND - 1);
    expect(sim.sent()).toEqual([]);
    await sim.clock.pass(1);
    expect(sim.sent()).toEqual([1]);
  });

  test('is told what was parked before when it is back, and not earlier', async () => {
    sim.create();
    sim.reply = ({ event }) => (event === 1 ? away() : ok);
    sim.recordMany(2);
    await start();
    expect(sim.parked()).toEqual(['1 pending 1']);
    sim.reply = away;
    sim.recordMany(6);
    await sim.clock.pass(20);
    sim.sent();
    await sim.clock.pass(MINUTE);
    expect(new Set(sim.sent())).toEqual(new Set([3]));
    expect(sim.parked()).toEqual(['1 pending 1']);
    sim.reply = () => ok;
    await sim.clock.pass(MINUTE);
    expect(sim.sent().toSorted((a, b) => a - b)).toEqual([1, 3, 4, 5, 6, 7, 8]);
    expect(sim.parked()).toEqual([]);
  });

  test('costs no other endpoint anything, nor does one that is slow', async () => {
    for (const id of ['slow', 'away', 'well']) sim.create(id);
    sim.reply = ({ endpoint: id }) => (id === 'slow' ? undefined : id === 'away' ? away() : ok);
    sim.recordMany(300);
    await start();
    const well = sim.requests.filter(({ endpoint: id }) => id === 'well').map(({ event }) => event);
    expect(well).toEqual(Array.from({ length: 300 }, (_, n) => n + 1));
    expect(sim.requests.filter(({ endpoint: id }) => id === 'slow')).toHaveLength(8);
  });

  test('is told nothing, when it is back, that was deleted meanwhile', async () => {
    sim.create();
    sim.reply = away;
    sim.recordMany(20);
    await start();
    await sim.clock.pass(10 * MINUTE);
    sim.events.purgeTo(12);
    sim.sent();
    sim.reply = () => ok;
    await sim.clock.pass(2 * MINUTE);
    expect(sim.sent()).toEqual([13, 14, 15, 16, 17, 18, 19, 20]);
    expect(endpoint().position).toBe(20);
  });

  test('begins again where it was when another process takes it over', async () => {
    sim.create();
    sim.reply = away;
    sim.recordMany(20);
    await start();
    await sim.clock.pass(MINUTE);
    await dispatcher.stop();
    sim.endpoints.bury(sim.endpoints.of('e1').owner ?? {});
    sim.sent();
    await start();
    expect(sim.sent()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(sim.parked()).toEqual([]);
    sim.reply = () => ok;
    await sim.clock.pass(SECOND);
    expect(sim.sent()).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
  });
});

describe('an endpoint that asks for a rest', () => {
  test.each([
    [429, 30 * SECOND, 30 * SECOND],
    [503, 30 * SECOND, 30 * SECOND],
    [429, 5 * HOUR, HOUR],
    [503, 0, SECOND],
  ])('by %i for %i ms gets no request for %i ms, and nothing is parked or counted', async (code, asked, rest) => {
    sim.create();
    sim.reply = ({ event }) => (event === 1 ? status(code, asked) : ok);
    sim.recordMany(3);
    await start();
    sim.sent();
    sim.recordMany(3);
    sim.reply = () => ok;
    await sim.clock.jump(rest - 1);
    expect(sim.sent()).toEqual([]);
    expect([sim.parked(), endpoint().failures]).toEqual([[], 0]);
    await sim.clock.pass(1);
    expect(sim.sent()).toEqual([1, 4, 5, 6]);
  });

  test('by another status, or not, has failed', async () => {
    sim.create();
    sim.reply = ({ event }) => (event === 1 ? status(500, HOUR) : event === 2 ? status(429) : ok);
    sim.recordMany(3);
    await start();
    expect(sim.parked()).toEqual(['1 pending 1', '2 pending 1']);
  });

  test('gets what was parked when the rest is over, with the same count of tries', async () => {
    sim.create();
    sim.reply = ({ event, attempt }) => (event !== 1 ? ok : attempt === 1 ? status(500) : status(503, MINUTE));
    sim.recordMany(2);
    await start();
    await sim.clock.pass(5 * SECOND);
    expect([sim.sent(), sim.parked()]).toEqual([[1, 2, 1], ['1 pending 1']]);
    sim.reply = () => ok;
    await sim.clock.pass(MINUTE);
    expect([sim.sent(), sim.parked()]).toEqual([[1], []]);
  });
});

describe('an endpoint is disabled', () => {
  test('at once by 410, and that event comes again when it is enabled', async () => {
    sim.create();
    sim.reply = ({ event }) => (event === 2 ? status(410) : event === 3 ? undefined : ok);
    sim.recordMany(3);
    await start();
    const [, , third] = sim.requests;
    sim.recordMany(5);
    await sim.clock.pass(SECOND);
    third?.answer();
    await sim.clock.pass(SECOND);
    expect(sim.sent()).toEqual([1, 2, 3]);
    expect(endpoint()).toMatchObject({ status: 'disabled', reason: 'gone', position: 1, ahead: [3] });
    expect(sim.endpoints.of('e1').facts).toEqual([expect.stringMatching(/^e:e1:disabled:\d+$/)]);
    expect(sim.logged.filter(({ level }) => level === 'error')).toMatchObject([
      { message: 'a webhook endpoint is disabled', facts: { endpoint: 'e1', callerId: 'crm', reason: 'gone' } },
    ]);
    expect(dispatcher.states()).toMatchObject([{ status: 'disabled' }]);
    sim.reply = () => ok;
    sim.endpoints.change('e1', { status: 'enabled' });
    await sim.clock.pass(SECOND);
    expect(sim.sent()).toEqual([2, 4, 5, 6, 7, 8]);
  });

  test('after so many hours of nothing but failures, at the failure that ends them, and loses nothing', async () => {
    sim.create();
    sim.reply = away;
    sim.recordMany(10);
    await start({ disableAfterMs: 2 * HOUR });
    await sim.clock.pass(2 * HOUR - MINUTE);
    expect(endpoint().status).toBe('enabled');
    await sim.clock.pass(2 * MINUTE);
    expect(endpoint()).toMatchObject({ status: 'disabled', reason: 'failing', position: 0 });
    const since = endpoint().failingSince;
    expect(sim.endpoints.of('e1').facts).toEqual([`e:e1:failing:${since}`, `e:e1:disabled:${since}`]);
    sim.sent();
    await sim.clock.pass(HOUR);
    expect(sim.sent()).toEqual([]);
    sim.reply = () => ok;
    const { failingSince: _, ...rest } = endpoint();
    sim.endpoints.of('e1').endpoint = rest;
    sim.endpoints.change('e1', { status: 'enabled', failures: 0 });
    await sim.clock.pass(SECOND);
    expect(sim.sent()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test('by no fewer than ten attempts, and not where anything was delivered meanwhile', async () => {
    sim.create();
    sim.reply = away;
    sim.record();
    await start({ disableAfterMs: 20 * MINUTE });
    // Nine attempts, and the event is given up.
    for (const wait of [5 * SECOND, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR]) {
      await sim.clock.jump(wait);
    }
    expect([sim.parked(), endpoint().status, endpoint().failures]).toEqual([['1 failed 9'], 'enabled', 9]);
    sim.reply = () => ok;
    sim.record();
    await sim.clock.pass(SECOND);
    sim.reply = away;
    sim.recordMany(10);
    await sim.clock.pass(19 * MINUTE);
    expect(endpoint().status).toBe('enabled');
    await sim.clock.pass(2 * MINUTE);
    expect(endpoint()).toMatchObject({ status: 'disabled', reason: 'failing' });
  });
});

describe('that an endpoint is failing', () => {
  test('is told once after a quarter of an hour, and again only when it has worked in between', async () => {
    sim.create();
    sim.reply = away;
    sim.record();
    await start();
    const since = sim.clock.now();
    await sim.clock.pass(15 * MINUTE - 1);
    expect([sim.endpoints.of('e1').facts, dispatcher.states()]).toMatchObject([[], [{ status: 'enabled' }]]);
    await sim.clock.pass(SECOND);
    expect(sim.endpoints.of('e1').facts).toEqual([`e:e1:failing:${since}`]);
    expect(dispatcher.states()).toMatchObject([{ id: 'e1', status: 'failing' }]);
    await sim.clock.pass(10 * MINUTE);
    expect(sim.logged.filter(({ level }) => level === 'warn')).toMatchObject([
      {
        message: 'nothing can be delivered to a webhook endpoint',
        facts: { endpoint: 'e1', status: 503, last: 'answered 503' },
      },
    ]);
    sim.reply = () => ok;
    sim.record();
    await sim.clock.pass(SECOND);
    expect(dispatcher.states()).toMatchObject([{ status: 'enabled', lagMs: 0 }]);
    sim.reply = away;
    sim.record();
    await sim.clock.pass(16 * MINUTE);
    expect(sim.endpoints.of('e1').facts).toHaveLength(2);
  });

  test('is seen by how long its oldest event waits', async () => {
    sim.create();
    sim.reply = away;
    sim.recordMany(9);
    await start();
    await sim.clock.pass(HOUR);
    sim.record();
    await sim.clock.pass(MINUTE);
    expect(dispatcher.states()).toMatchObject([{ lagMs: HOUR + MINUTE }]);
  });
});
