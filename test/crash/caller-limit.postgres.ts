import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { expect, test } from 'vitest';
import { callerEntry } from '../../src/callers.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { densest } from '../rate-limit/fake-time.ts';
import { aDatabase } from './database.ts';
import { load } from './sends.ts';
import { aPlace } from './service.ts';

const key = 'a-caller-with-a-limit-of-its-own';
const seconds = Number(process.env.LOAD_SECONDS ?? 8);

/** Sends requests one after another on each lane. Returns the times of those that passed, and all other answers. */
async function crowd(agent: Agent, urls: readonly string[]) {
  const passed: number[] = [];
  const statuses = new Map<number, number>();
  const until = performance.now() + seconds * 1000;
  let at = 0;
  await load(
    16,
    () => performance.now() < until,
    async () => {
      at += 1;
      // An unknown path under /v1 counts like any other, and costs nothing behind the limit.
      const { statusCode, body } = await request(`${urls[at % urls.length]}/v1/nothing`, {
        headers: { authorization: `Bearer ${key}` },
        dispatcher: agent,
      });
      await body.dump();
      statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
      if (statusCode === 404) passed.push(performance.now());
      else await sleep(5);
    },
  );
  return { passed, statuses };
}

test.each([5, 50, 400])('two replicas let %i a second of one caller pass, not twice as many', async (ratePerSecond) => {
  const simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
  const database = await aDatabase();
  const place = aPlace(simulator, database.url, [callerEntry('limited', key, { scopes: ['*'], ratePerSecond })]);
  const agent = new Agent({ connections: 16 });
  try {
    const urls = (await Promise.all([place.start(), place.start()])).map(({ url }) => url);
    const { passed, statuses } = await crowd(agent, urls);
    const most = densest(passed, 1_000);
    console.log(
      `${ratePerSecond} a second: ${passed.length} passed in ${seconds} s, ${most} in its densest second, ${JSON.stringify([...statuses])}`,
    );
    expect([...statuses.keys()].sort()).toEqual([404, 429]);
    // A burst of one second's worth, and the rate; what was taken in advance may be used 200 ms late.
    expect(passed.length).toBeLessThanOrEqual(ratePerSecond * (seconds + 1.2));
    expect(most).toBeLessThanOrEqual(ratePerSecond * 2.2);
    // The rate is not lower than allowed either.
    expect(passed.length).toBeGreaterThanOrEqual(ratePerSecond * seconds * 0.8);
  } finally {
    await agent.destroy();
    await place.close();
    await database.drop();
    await simulator.close();
  }
});
