import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { aDatabase, type Database } from './database.ts';
import { judge } from './oracle.ts';
import { aCaller, type Caller, load } from './sends.ts';
import { aPlace, type Place } from './service.ts';

const leaseMs = 3_000;
/** `STOPPED_MS=60000` is the full minute. */
const stoppedMs = Number(process.env.STOPPED_MS ?? 3 * leaseMs);
const lanes = 8;
const settings = { STORE_LEASE_MS: String(leaseMs) };

let simulator: Simulator;
let database: Database;
let place: Place;
let caller: Caller;
beforeEach(async () => {
  simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
  database = await aDatabase();
  place = aPlace(simulator, database.url);
  caller = aCaller(simulator);
});
afterEach(async () => {
  await caller.close();
  await place.close();
  await database.drop();
  await simulator.close();
});

test('a replica that is stopped loses its sends to the other, and sends none of them when it wakes', async () => {
  const [stopped, other] = [await place.start({ settings }), await place.start({ settings })];
  let stop = false;
  const on = (url: string, lanes: number) =>
    load(
      lanes,
      () => !stop,
      async () => {
        const { status } = await caller.say(url, caller.wish());
        if (status !== 201) await sleep(20);
      },
    );
  // Half of the load goes to the replica that will be stopped; a few of its sends wait there after a 429.
  const running = Promise.all([on(stopped.url, lanes), on(other.url, lanes)]);
  await sleep(1_000);
  simulator.script(
    'sendSessionMessage',
    ...Array.from({ length: 12 }, () => ({ status: 429, headers: { 'retry-after': '1' } })),
  );
  await sleep(150);
  process.kill(stopped.pid(), 'SIGSTOP');
  const heldBefore = (await caller.records(other.url)).filter(
    ({ status }) => status === 'queued' || status === 'sending',
  );

  // While it is stopped, the other replica sends its queued messages, and those that it was sending become unknown.
  await sleep(stoppedMs - 500);
  const byId = new Map((await caller.records(other.url)).map((record) => [record.id, record]));
  const taken = heldBefore.map(({ id }) => byId.get(id)?.status);
  expect(taken).not.toContain('queued');
  expect(taken).not.toContain('sending');
  expect(taken).toContain('accepted');
  const processed = () =>
    simulator.ledger.entries.filter((entry) => entry.processed && entry.operation.startsWith('send'));
  const before = new Set(processed().flatMap(({ recipients }) => recipients));

  process.kill(stopped.pid(), 'SIGCONT');
  await sleep(2_000);
  stop = true;
  await running;
  await caller.settle(other.url);
  const { faults, counts } = judge(caller.wishes, await caller.records(other.url), simulator);
  console.log(`stopped for ${stoppedMs} ms: held ${heldBefore.length} (${taken.join(' ')}), ${JSON.stringify(counts)}`);
  expect(faults).toEqual([]);
  // It sent nothing that it had lost after it woke: unknown and unsent messages are still so.
  const lost = heldBefore.filter(({ to }) => !before.has(to)).map(({ to }) => to);
  expect(lost.filter((to) => simulator.ledger.sendsTo(to).some((entry) => entry.processed))).toEqual([]);
  expect(counts.unknown).toBeLessThanOrEqual(lanes);
  expect(simulator.violations).toEqual([]);

  // After waking it serves again, under a new lease.
  expect(await caller.say(stopped.url, caller.wish())).toMatchObject({
    status: expect.toSatisfy((status) => status < 500),
  });
});

test('a replica that is killed loses its sends to the other', async () => {
  const [killed, other] = [await place.start({ settings }), await place.start({ settings })];
  for (let round = 0; round < 3; round += 1) {
    let dead = round > 0;
    await load(
      lanes,
      () => !dead,
      async () => {
        const first = caller.wishes.length;
        const { status } = await caller.say(killed.url, caller.wish());
        if (status === undefined) dead = true;
        if (first > 60 && killed.alive) await killed.kill();
      },
    );
  }
  await caller.settle(other.url, 3 * leaseMs);
  const { faults, counts } = judge(caller.wishes, await caller.records(other.url), simulator);
  console.log(`killed: ${JSON.stringify(counts)}`);
  expect(faults).toEqual([]);
  expect(counts.unknown).toBeLessThanOrEqual(2 * lanes);
});

test('four replicas start at once on an empty database, and one key counts for all', async () => {
  const four = await Promise.all([1, 2, 3, 4].map(() => place.start({ settings })));
  for (let n = 0; n < 10; n += 1) {
    const wish = caller.wish();
    wish.key ??= `shared-${n}`;
    await Promise.all(four.map(({ url }) => caller.say(url, wish)));
  }
  const [one] = four;
  await caller.settle(one?.url ?? '');
  for (const { url } of four) {
    const { faults, counts } = judge(caller.wishes, await caller.records(url), simulator);
    expect(faults).toEqual([]);
    expect(counts).toMatchObject({ recorded: 10, unknown: 0, lost: 0 });
  }
});
