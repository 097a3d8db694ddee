import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { beforeEach, expect, test } from 'vitest';
import { failing } from './injected.ts';
import { judge } from './oracle.ts';
import { type Scene, startScene } from './scene.ts';

const sends = 20;

let scene: Scene;
beforeEach(async () => {
  scene = await startScene({ perSecond: Number.POSITIVE_INFINITY });
  return scene.close;
});

/** Polls health until it is stopped. Returns the duration of each answer, ms, in ascending order. */
function watchHealth(url: string): { stop(): Promise<number[]> } {
  let isOver = false;
  const watching = (async () => {
    const waits: number[] = [];
    while (!isOver) {
      const startedAt = performance.now();
      const { statusCode, body } = await request(`${url}/health/live`);
      await body.dump();
      expect(statusCode).toBe(200);
      waits.push(performance.now() - startedAt);
      await sleep(5);
    }
    return waits.toSorted((a, b) => a - b);
  })();
  return {
    stop: () => {
      isOver = true;
      return watching;
    },
  };
}

test.each([
  { fsyncMs: 1_000, rounds: 1 },
  { fsyncMs: 50, rounds: 15 },
])(
  'a disk that takes $fsyncMs ms for each fsync holds up no request, and sends under way share theirs',
  async (given) => {
    const { fsyncMs, rounds } = given;
    const { simulator, place, caller } = scene;
    const service = await place.start();
    await caller.say(service.url, caller.wish());
    const heal = await failing(service.pid(), `fsync,fdatasync:delay_exit=${fsyncMs * 1_000}`);
    const watch = watchHealth(service.url);
    const startedAt = performance.now();
    const told: Awaited<ReturnType<typeof caller.say>>[] = [];
    for (let round = 0; round < rounds; round += 1)
      told.push(...(await Promise.all(Array.from({ length: sends }, () => caller.say(service.url, caller.wish())))));
    const took = performance.now() - startedAt;
    const waits = await watch.stop();
    await heal();
    expect(told.filter(({ status }) => status === undefined || status >= 500)).toEqual([]);
    const [middle = Number.NaN, p99 = Number.NaN] = [0.5, 0.99].map((share) => waits[Math.floor(waits.length * share)]);
    const health = `${waits.length} health answers, p50 ${middle.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
    console.log(`fsync of ${fsyncMs} ms: ${rounds} times ${sends} sends in ${took.toFixed(0)} ms; ${health}`);
    expect(waits.length).toBeGreaterThan(50);
    // An answer that waited for a commit would take longer.
    expect(middle).toBeLessThan(fsyncMs / 4);
    // Each send needs three commits, which would take twice as long one after the other.
    expect(took).toBeLessThan((rounds * sends * 3 * fsyncMs) / 2);
    await caller.settle(service.url, 60_000);
    expect(judge(caller.wishes, await caller.records(service.url), simulator).faults).toEqual([]);
  },
);
