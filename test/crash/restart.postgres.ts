import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { aDatabase } from './database.ts';
import { judge } from './oracle.ts';
import { aCaller, load } from './sends.ts';
import { aPlace, callerKey } from './service.ts';

const postgres = join(import.meta.dirname, '../../.ci/postgres.sh');

async function server(step: string): Promise<void> {
  const [code] = await once(spawn(postgres, [step], { stdio: 'ignore' }), 'exit');
  expect(code).toBe(0);
}

test.each([
  ['longer than a lease', '1000', 2_500],
  ['only for a moment', '15000', 0],
])(
  'the database is gone %s, under load: nothing is doubled, what is refused is not sent',
  async (_for, lease, downMs) => {
    const simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
    const database = await aDatabase();
    const place = aPlace(simulator, database.url);
    const caller = aCaller(simulator);
    try {
      const service = await place.start({ settings: { STORE_LEASE_MS: lease } });
      let stop = false;
      const running = load(
        8,
        () => !stop,
        async () => {
          const told = await caller.say(service.url, caller.wish());
          if (told.status === 503) await sleep(50);
        },
      );
      const ready = async () => (await fetch(`${service.url}/health/ready`)).status;
      for (let round = 0; round < 3; round += 1) {
        await sleep(1_500);
        expect(await ready()).toBe(200);
        await server('crash');
        await sleep(downMs);
        await server('resume');
        await expect.poll(ready, { timeout: 10_000, interval: 100 }).toBe(200);
        await expect
          .poll(async () => (await caller.say(service.url, caller.wish())).status, { timeout: 10_000, interval: 100 })
          .toBeLessThan(500);
      }
      stop = true;
      await running;
      await caller.settle(service.url);
      const { faults, counts } = judge(caller.wishes, await caller.records(service.url), simulator);
      console.log(`database gone three times for ${downMs} ms: ${JSON.stringify(counts)}`);
      expect(faults).toEqual([]);
      expect(counts.refused).toBeGreaterThan(0);
      expect(counts.lost).toBe(0);
    } finally {
      await caller.close();
      await place.close();
      await database.drop();
      await simulator.close();
    }
  },
);

/** `DATABASE_DOWN_MS=60000 .ci/postgres restart` is the full minute. */
const downMs = Number(process.env.DATABASE_DOWN_MS ?? 8_000);
/** Time in which sends in flight may still go out and fail after the database is gone, ms. */
const underWayMs = 500;

test(`the database is gone for ${downMs} ms: no send is made, reads go on, and it is back by itself`, async () => {
  const simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
  const database = await aDatabase();
  const place = aPlace(simulator, database.url);
  const caller = aCaller(simulator);
  try {
    const service = await place.start();
    let stop = false;
    const told: { at: number; what: string }[] = [];
    const sending = load(
      8,
      () => !stop,
      async () => {
        const { status, problem, outcome } = await caller.say(service.url, caller.wish());
        told.push({ at: Date.now(), what: status === 201 ? 'sent' : `${status} ${problem} ${outcome}` });
        await sleep(status === 503 ? 50 : 5);
      },
    );
    const reads: { at: number; status: number; ms: number }[] = [];
    const reading = load(
      2,
      () => !stop,
      async () => {
        const begun = performance.now();
        const headers = { authorization: `Bearer ${callerKey}` };
        const answer = await fetch(`${service.url}/v1/contacts?pageSize=5`, { headers });
        await answer.arrayBuffer();
        reads.push({ at: Date.now(), status: answer.status, ms: performance.now() - begun });
        await sleep(50);
      },
    );
    await sleep(1_500);
    await server('crash');
    const gone = Date.now() + underWayMs;
    await sleep(downMs);
    const resumed = Date.now();
    await server('resume');
    const there = Date.now();
    await expect
      .poll(() => told.some(({ at, what }) => at > there && what === 'sent'), { timeout: 10_000, interval: 50 })
      .toBe(true);
    const backMs = (told.find(({ at, what }) => at > there && what === 'sent')?.at ?? Number.NaN) - there;
    await expect
      .poll(async () => (await fetch(`${service.url}/health/ready`)).status, { timeout: 10_000, interval: 50 })
      .toBe(200);
    await sleep(1_000);
    stop = true;
    await Promise.all([sending, reading]);
    await caller.settle(service.url);

    const inBetween = <T extends { at: number }>(all: readonly T[]) =>
      all.filter(({ at }) => at > gone && at < resumed);
    const refused = inBetween(told);
    const answered = inBetween(reads);
    const { faults, counts } = judge(caller.wishes, await caller.records(service.url), simulator);
    console.log(
      `database gone for ${downMs} ms: ${refused.length} sends refused, ${answered.length} reads answered, ` +
        `the slowest in ${Math.max(...answered.map(({ ms }) => ms)).toFixed(0)} ms; the first send ${backMs} ms after it was back; ${JSON.stringify(counts)}`,
    );
    // If a key cannot be looked up, the outcome of an earlier send under it is not known.
    for (const { what } of refused) expect(what).toMatch(/^503 store-unavailable (not_sent|undefined)$/);
    const sends = simulator.ledger.entries.filter(({ operation }) => operation.startsWith('send'));
    expect(inBetween(sends)).toEqual([]);
    expect(answered.length).toBeGreaterThan(downMs / 1_000);
    expect(new Set(answered.map(({ status }) => status))).toEqual(new Set([200]));
    expect(faults).toEqual([]);
    expect(counts.lost).toBe(0);
    expect(service.alive).toBe(true);
  } finally {
    await caller.close();
    await place.close();
    await database.drop();
    await simulator.close();
  }
});
