import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { judge } from './oracle.ts';
import { startScene } from './scene.ts';
import { type Caller, load } from './sends.ts';
import type { Place } from './service.ts';

/** `KILLS=200 npx vitest run --project crash kills` is the full number; `SEED` repeats a run. */
const kills = Number(process.env.KILLS ?? 30);
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const lanes = 8;

let simulator: Simulator;
let place: Place;
let caller: Caller;
beforeEach(async () => {
  const scene = await startScene({ perSecond: Number.POSITIVE_INFINITY });
  ({ simulator, place, caller } = scene);
  return scene.close;
});

/** mulberry32, so that a seed repeats the moments of the kills. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

test(`killed ${kills} times at random under load, it doubles nothing and loses nothing`, async () => {
  const random = randomFrom(seed);
  let unknownBefore = 0;
  for (let kill = 0; kill <= kills; kill += 1) {
    const service = await place.start();
    await caller.settle(service.url);
    const { faults, counts, unknown } = judge(caller.wishes, await caller.records(service.url), simulator);
    expect(faults, `seed ${seed}, after ${kill} kills`).toEqual([]);
    // A kill may leave sends in flight unknown: one for each waiting caller, and those of async callers.
    const doubt = caller.wishes.filter(
      ({ to, async, told }) => unknown.has(to) && !async && told[0]?.status !== undefined,
    );
    expect(doubt).toEqual([]);
    expect(unknown.size - unknownBefore, `seed ${seed}, kill ${kill}`).toBeLessThanOrEqual(2 * lanes);
    unknownBefore = unknown.size;
    if (kill === kills) {
      console.log(`random kills: seed ${seed}, ${kills} kills, ${JSON.stringify(counts)}`);
      break;
    }
    // Sends with a key and without an answer are repeated twice; neither repeat may send again.
    const again = caller.wishes.filter(({ key, told }) => key !== undefined && told.at(-1)?.status === undefined);
    for (const wish of again) for (let n = 0; n < 2; n += 1) await caller.say(service.url, wish);

    let killed = false;
    const running = load(
      lanes,
      () => !killed,
      async () => {
        const { status } = await caller.say(service.url, caller.wish());
        if (status === undefined) killed = true;
      },
    );
    await sleep(random() * 250);
    await service.kill();
    killed = true;
    await running;
  }
  expect(simulator.violations).toEqual([]);
});
