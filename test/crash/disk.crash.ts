import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { beforeEach, expect, test } from 'vitest';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { failing } from './injected.ts';
import { judge } from './oracle.ts';
import { startScene } from './scene.ts';
import { type Caller, load } from './sends.ts';
import { callerKey, type Place } from './service.ts';

let simulator: Simulator;
let place: Place;
let caller: Caller;
beforeEach(async () => {
  const scene = await startScene({ perSecond: Number.POSITIVE_INFINITY });
  ({ simulator, place, caller } = scene);
  return scene.close;
});

const statusOf = async (url: string, path: string) => {
  const answer = await request(`${url}${path}`, { headers: { authorization: `Bearer ${callerKey}` } });
  await answer.body.dump();
  return answer.statusCode;
};

test.each([
  ['a full disk', 'pwrite64:error=ENOSPC'],
  ['a disk whose fsync fails', 'fsync,fdatasync:error=EIO'],
])('%s refuses sends and sends none, reads go on, and it heals without a restart', async (name, inject) => {
  const service = await place.start();
  // Constant load, so that every kind of write meets the fault.
  let stop = false;
  const running = load(
    4,
    () => !stop,
    async () => {
      const told = await caller.say(service.url, caller.wish());
      if (told.status === 503) await sleep(20);
    },
  );
  await sleep(500);
  expect(await statusOf(service.url, '/health/ready')).toBe(200);

  const heal = await failing(service.pid(), inject);
  const refused = [];
  for (let n = 0; n < 20; n += 1) {
    const wish = caller.wish();
    refused.push(wish);
    const told = await caller.say(service.url, wish);
    expect(told).toEqual({ status: 503, outcome: 'not_sent', problem: 'store-unavailable' });
  }
  await sleep(1_000);
  expect(await statusOf(service.url, '/health/ready')).toBe(503);
  expect(await statusOf(service.url, '/v1/contacts/14155551000')).toBe(200);
  expect(await statusOf(service.url, '/v1/messages')).toBe(200);
  await heal();

  await expect.poll(() => statusOf(service.url, '/health/ready'), { timeout: 5_000 }).toBe(200);
  for (let n = 0; n < 20; n += 1) {
    const told = await caller.say(service.url, caller.wish());
    expect(told.status).not.toBe(503);
  }
  stop = true;
  await running;
  await caller.settle(service.url);
  const live = judge(caller.wishes, await caller.records(service.url), simulator);
  console.log(`${name}: ${JSON.stringify(live.counts)}`);
  expect(live.faults).toEqual([]);
  expect(live.unknown).toEqual(new Set());
  expect(refused.flatMap(({ to }) => simulator.ledger.sendsTo(to))).toEqual([]);

  // The next process does not send refused messages either, and acknowledged ones are still there.
  await service.kill();
  const next = await place.start();
  await caller.settle(next.url);
  expect(judge(caller.wishes, await caller.records(next.url), simulator).faults).toEqual([]);
});
