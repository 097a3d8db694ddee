import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { killedAtFsync } from './injected.ts';
import { judge } from './oracle.ts';
import { startScene } from './scene.ts';
import { type Caller, load } from './sends.ts';
import type { Place } from './service.ts';

const sends = 60;
const lanes = 6;

let simulator: Simulator;
let place: Place;
let caller: Caller;
beforeEach(async () => {
  const scene = await startScene({ perSecond: Number.POSITIVE_INFINITY });
  ({ simulator, place, caller } = scene);
  return scene.close;
});

async function settled(url: string) {
  await caller.settle(url);
  return caller.records(url);
}

/**
 * All processes use the same store. Each one first recovers the state of the previous one, so some kills happen during recovery. The
 * last process makes its 60 sends without being killed.
 */
test('killed at every fsync of a run of 60 sends, it doubles nothing and loses nothing', async () => {
  const unknownAtMost = { value: 0 };
  for (let nth = 1; ; nth += 1) {
    const service = await place.start({ under: killedAtFsync(nth), mayDie: true });
    if (!service.alive) continue;
    const first = caller.wishes.length;
    // Sends of an earlier process without an answer are repeated under their key.
    const again = caller.wishes.filter(({ key, told }) => key !== undefined && told.at(-1)?.status === undefined);
    let left = sends;
    let killed = false;
    await load(
      lanes,
      () => !killed && (again.length > 0 || left > 0),
      async () => {
        const wish = again.pop();
        if (!wish) left -= 1;
        const { status } = await caller.say(service.url, wish ?? caller.wish());
        if (status === undefined) killed = true;
      },
    );
    if (killed) await service.ended;
    const lost = caller.wishes.slice(first).filter(({ told }) => told.every(({ status }) => status === undefined));
    expect(lost.length).toBeLessThanOrEqual(lanes);
    unknownAtMost.value += lost.length + caller.wishes.slice(first).filter(({ async }) => async).length;
    if (service.alive) {
      const records = await settled(service.url).catch(async (error: unknown) => {
        // The N-th commit may be one that the service makes by itself after the load.
        await Promise.race([service.ended, sleep(2_000)]);
        if (service.alive) throw error;
      });
      if (!records) continue;
      const { faults, counts, unknown } = judge(caller.wishes, records, simulator);
      console.log(`fsync loop: killed at ${nth - 1} points, ${JSON.stringify(counts)}`);
      expect(faults).toEqual([]);
      // Only sends in flight may be unknown: those without an answer, or answered only as recorded.
      const inFlight = caller.wishes.filter(({ told }) =>
        told.some(({ status, outcome }) => status === undefined || outcome !== 'accepted'),
      );
      expect([...unknown].filter((to) => !inFlight.some((wish) => wish.to === to))).toEqual([]);
      expect(counts.unknown).toBeLessThanOrEqual(unknownAtMost.value);
      expect(counts.processed).toBeGreaterThan(sends);
      expect(simulator.violations).toEqual([]);
      return;
    }
  }
});
