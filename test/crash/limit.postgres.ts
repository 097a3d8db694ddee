import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { aDatabase } from './database.ts';
import { assertKept, crowd, leastUsed, limited, loadSeconds } from './limit.ts';
import { aCaller } from './sends.ts';
import { aPlace } from './service.ts';

const settings = { ...limited, STORE_LEASE_MS: '3000' };
/** A short run has one kill, in its middle. */
const killEveryMs = Math.min(10_000, (loadSeconds * 1000) / 2);

/** `LOAD_SECONDS=60 .ci/postgres limit` is the full time. */
test.each([
  ['both alive', false],
  ['one of them killed again and again', true],
])(
  `two replicas, ${loadSeconds} s, %s: together never more than ten calls in a second, and most of them`,
  async (_name, kills) => {
    const simulator = await startSimulator({ perSecond: 10, now: () => performance.timeOrigin + performance.now() });
    const database = await aDatabase();
    const place = aPlace(simulator, database.url);
    const caller = aCaller(simulator);
    try {
      const steady = await place.start({ settings });
      let other = await place.start({ settings });
      let over = false;
      const killing = (async () => {
        let killed = 0;
        for (; kills; killed += 1) {
          for (let ms = 0; ms < killEveryMs && !over; ms += 100) await sleep(100);
          if (over) break;
          await other.kill();
          other = await place.start({ settings });
        }
        return killed;
      })();
      const { used } = await crowd(simulator, caller, (at) => (at % 2 === 0 ? steady : other).url);
      over = true;
      const killed = await killing;
      const kept = await assertKept(simulator, caller, steady.url);
      console.log(`two replicas, ${killed} kills: used ${(used * 100).toFixed(0)} %, ${JSON.stringify(kept)}`);
      expect(killed > 0).toBe(kills);
      expect(used).toBeGreaterThanOrEqual(leastUsed);
    } finally {
      await caller.close();
      await place.close();
      await database.drop();
      await simulator.close();
    }
  },
);
