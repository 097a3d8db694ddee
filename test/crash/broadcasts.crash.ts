import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { beforeEach, expect, test } from 'vitest';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { createRandom } from '../faults/random.ts';
import { limited } from './limit.ts';
import { judge } from './oracle.ts';
import { startScene } from './scene.ts';
import type { Caller, Wish } from './sends.ts';
import { callerKey, type Place, type Service } from './service.ts';

/** `KILLS=50 .ci/crash broadcasts` is the full number, with 10,000 recipients; `SEED` repeats the moments. */
const kills = Number(process.env.KILLS ?? 8);
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const recipients = kills * 200;
/** Small, so that every process has work left: ten calls a second carry two hundred recipients. */
const groupMax = 20;
const settings = { ...limited, GROUP_MAX_BROADCAST: String(groupMax) };

let simulator: Simulator;
let place: Place;
let caller: Caller;
beforeEach(async () => {
  const scene = await startScene({ perSecond: 10 });
  ({ simulator, place, caller } = scene);
  return scene.close;
});

interface Broadcast {
  id: string;
  status: string;
  counts: Record<string, number> & { total: number };
  finishedAt?: string;
}

const numbers = Array.from({ length: recipients }, (_, n) => `15${String(n).padStart(8, '0')}5`);
const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const body = JSON.stringify({
  template: 'order_update',
  broadcastName: 'sale',
  recipients: numbers.map((to) => ({ to, parameters })),
});
/** One message is expected for each recipient; the oracle compares this with the records. */
const wishes = numbers.map((to): Wish => ({ to, path: '', json: {}, async: true, told: [] }));

async function call(url: string, method: 'GET' | 'POST', path: string, json?: string): Promise<Broadcast> {
  const headers = {
    authorization: `Bearer ${callerKey}`,
    ...(json !== undefined && { 'content-type': 'application/json', 'idempotency-key': 'the-broadcast' }),
  };
  const answer = await request(`${url}${path}`, { method, headers, ...(json !== undefined && { body: json }) });
  const broadcast = (await answer.body.json()) as Broadcast;
  if (answer.statusCode >= 300) throw new Error(`${path}: ${answer.statusCode} ${JSON.stringify(broadcast)}`);
  return broadcast;
}

const begin = (url: string) => call(url, 'POST', '/v1/broadcasts', body);
const read = (url: string, id: string) => call(url, 'GET', `/v1/broadcasts/${id}`);

async function finished(url: string, id: string): Promise<Broadcast> {
  await expect.poll(async () => (await read(url, id)).finishedAt, { timeout: 120_000, interval: 200 }).toBeDefined();
  return read(url, id);
}

/** Checks that each recipient has one correct record, and that the counts of the broadcast match the records. */
async function assertTrue(url: string, broadcast: Broadcast) {
  const records = await caller.records(url);
  const { faults, counts, unknown } = judge(wishes, records, simulator);
  expect(faults, `seed ${seed}`).toEqual([]);
  expect(records.length).toBe(recipients);
  const tally = Object.fromEntries(Object.entries(broadcast.counts).filter(([, n]) => n > 0));
  const counted = Map.groupBy(records, ({ status }) => (status === 'not_sent' ? 'notSent' : status));
  expect(tally).toEqual({
    total: recipients,
    ...Object.fromEntries([...counted].map(([status, some]) => [status, some.length])),
  });
  expect(simulator.violations).toEqual([]);
  return { ...counts, unknown, tally };
}

test(`a broadcast to ${recipients}, killed ${kills} times at random, reaches nobody twice and ends in the truth`, async () => {
  const random = createRandom(seed);
  let service: Service;
  let begun: Promise<Broadcast | undefined> | undefined;
  for (let kill = 0; kill < kills; kill += 1) {
    service = await place.start({ settings });
    const known = await begun;
    // Repeats the request under its key until there is an answer. The first kills happen while the list is being recorded.
    if (!known) begun = begin(service.url).catch(() => undefined);
    if (!known && kill > kills / 4) await begun;
    await sleep(random.between(0, known ? 1_000 : 300));
    await service.kill();
  }
  const last = await place.start({ settings });
  const { id } = await begin(last.url);
  const broadcast = await finished(last.url, id);
  expect(broadcast.status).toBe('done');
  const { unknown, tally } = await assertTrue(last.url, broadcast);
  console.log(`broadcast: seed ${seed}, ${kills} kills, ${JSON.stringify(tally)}`);
  // At most the recipients that were in flight at the kills.
  expect(unknown.size).toBeLessThanOrEqual(kills * 2 * groupMax);
});

test('a broadcast that is cancelled half way sends nothing any more, not after a kill either, and its figures add up', async () => {
  const service = await place.start({ settings });
  const { id } = await begin(service.url);
  await expect
    .poll(async () => (await read(service.url, id)).counts.accepted, { timeout: 60_000 })
    .toBeGreaterThanOrEqual(Math.min(1_000, recipients / 2));
  const { counts: then, status } = await call(service.url, 'POST', `/v1/broadcasts/${id}/cancel`);
  await service.kill();
  expect(status).toBe('cancelled');
  const calls = simulator.ledger.entries.length;
  const next = await place.start({ settings });
  const broadcast = await finished(next.url, id);
  await sleep(1_000);
  const after = simulator.ledger.entries.slice(calls).filter(({ operation }) => operation.startsWith('send'));
  expect(after).toEqual([]);
  const { tally } = await assertTrue(next.url, broadcast);
  expect(broadcast.counts.cancelled).toBeGreaterThan(0);
  expect((tally.accepted ?? 0) + (tally.unknown ?? 0)).toBeLessThanOrEqual((then.accepted ?? 0) + (then.sending ?? 0));
});
