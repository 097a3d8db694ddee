import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { aDatabase } from './database.ts';
import { judge } from './oracle.ts';
import { aCaller, load } from './sends.ts';
import { aPlace } from './service.ts';

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
