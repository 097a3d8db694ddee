import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { aDatabase, type Database } from './database.ts';
import { ask, ended, numberOf, schedule, sentAt } from './scheduling.ts';
import { aPlace, type Place } from './service.ts';

/** Maximum delay of a message on a busy machine, ms. On a quiet one it is about ten. */
const lateMaxMs = Number(process.env.LATE_MAX_MS ?? 3_000);
const settings = { STORE_LEASE_MS: '3000' };
const from = (ms: number) => new Date(Date.now() + ms).toISOString();
const range = (first: number, count: number) => Array.from({ length: count }, (_, n) => numberOf(first + n));

let simulator: Simulator;
let database: Database;
let place: Place;
beforeEach(async () => {
  simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
  database = await aDatabase();
  place = aPlace(simulator, database.url);
});
afterEach(async () => {
  await place.close();
  await database.drop();
  await simulator.close();
});

const broadcast = async (url: string, numbers: readonly string[], times: object): Promise<string> => {
  const recipients = numbers.map((to) => ({ to }));
  const body = { template: 'welcome', broadcastName: 'scheduled', recipients, ...times };
  const { status, json } = await ask(url, 'POST', '/v1/broadcasts', body);
  expect([status, json.status]).toEqual([202, 'scheduled']);
  return json.id;
};
const done = async (url: string, id: string) => {
  for (const until = Date.now() + 30_000; Date.now() < until; await sleep(100)) {
    const { json } = await ask(url, 'GET', `/v1/broadcasts/${id}`);
    if (json.status === 'done') return json.counts;
  }
  throw new Error('the broadcast does not end');
};

test('two replicas send each scheduled message and recipient once, to the second', async () => {
  const [one, other] = [await place.start({ settings }), await place.start({ settings })];
  const [singles, recipients, late] = [range(0, 40), range(100, 60), range(200, 5)];
  const sendAt = from(12_000);
  const ids = [
    ...(await schedule(one.url, singles.slice(0, 20), { sendAt })),
    ...(await schedule(other.url, singles.slice(20), { sendAt })),
  ];
  const sale = await broadcast(one.url, recipients, { sendAt, notAfter: from(60_000) });
  // Paused by its caller until its `notAfter` has passed.
  const forgotten = await broadcast(other.url, late, { sendAt: from(9_000), notAfter: sendAt });
  await ask(one.url, 'POST', `/v1/broadcasts/${forgotten}/pause`);
  expect(await ended(other.url, ids)).toEqual(ids.map(() => 'accepted'));
  expect(await done(one.url, sale)).toMatchObject({ total: 60, accepted: 60 });
  expect(await done(one.url, forgotten)).toMatchObject({ total: 5, notSent: 5 });
  const times = sentAt(simulator, [...singles, ...recipients]);
  expect(times.filter(({ length }) => length !== 1)).toEqual([]);
  const delays = times.flat().map((time) => time - Date.parse(sendAt));
  console.log(`two replicas: ${Math.min(...delays)} to ${Math.max(...delays)} ms after the time`);
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...delays)).toBeLessThan(lateMaxMs);
  expect(sentAt(simulator, late).flat()).toEqual([]);
  expect(simulator.violations).toEqual([]);
});

test('what a replica has started when it is killed is sent by the other, once', async () => {
  const [killed, other] = [await place.start({ settings }), await place.start({ settings })];
  const singles = range(0, 40);
  const sendAt = from(6_000);
  const ids = await schedule(killed.url, singles, { sendAt });
  while (sentAt(simulator, singles).flat().length === 0 && Date.now() < Date.parse(sendAt) + 5_000) await sleep(2);
  await killed.kill();
  const states = await ended(other.url, ids);
  const times = sentAt(simulator, singles);
  console.log(
    `killed at its time: ${JSON.stringify(
      Object.groupBy(states, (state) => state),
      (_, value) => (Array.isArray(value) ? value.length : value),
    )}`,
  );
  for (const [at, state] of states.entries()) {
    expect(['accepted', 'unknown']).toContain(state);
    expect(times[at]?.length).toBeLessThanOrEqual(1);
    if (state === 'accepted') expect(times[at]?.length).toBe(1);
  }
  expect(simulator.violations).toEqual([]);
});
