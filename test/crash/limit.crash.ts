import { expect, test } from 'vitest';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { assertKept, crowd, leastUsed, limited, loadSeconds } from './limit.ts';
import { aCaller } from './sends.ts';
import { aPlace } from './service.ts';

/** `LOAD_SECONDS=60 .ci/crash limit` is the full time. */
test(`64 callers in ${loadSeconds} s never get more than ten calls in a second, and use most of them`, async () => {
  const simulator = await startSimulator({ perSecond: 10, now: () => performance.timeOrigin + performance.now() });
  const place = aPlace(simulator);
  const caller = aCaller(simulator);
  try {
    const { url } = await place.start({ settings: limited });
    const { used } = await crowd(simulator, caller, () => url);
    const kept = await assertKept(simulator, caller, url);
    console.log(`one service: used ${(used * 100).toFixed(0)} %, ${JSON.stringify(kept)}`);
    expect(used).toBeGreaterThanOrEqual(leastUsed);
  } finally {
    await caller.close();
    await place.close();
    await simulator.close();
  }
});
