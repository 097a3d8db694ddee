import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { killedAtFsync } from './injected.ts';
import { type Scene, startScene } from './scene.ts';
import { ended, numberOf, schedule, sentAt } from './scheduling.ts';

/** Maximum delay of a message on a busy machine, ms. On a quiet one it is about ten. */
const lateMaxMs = Number(process.env.LATE_MAX_MS ?? 3_000);
/** Number of writes at which the process is killed; `WRITES=20` kills at more. */
const writes = Number(process.env.WRITES ?? 8);
const dayMs = 24 * 60 * 60 * 1000;
const from = (ms: number) => new Date(Date.now() + ms).toISOString();

let scene: Scene;
beforeEach(async () => {
  scene = await startScene({ perSecond: Number.POSITIVE_INFINITY });
});
afterEach(() => scene.close());

test('a schedule is kept to the second across a restart, and what is late by then is never sent', async () => {
  const { place, simulator } = scene;
  const first = await place.start();
  const groups = { kept: [1, 2, 3], missed: [4, 5, 6], late: [7, 8, 9] };
  const numbers = (group: keyof typeof groups) => groups[group].map(numberOf);
  const keptAt = from(20_000);
  const ids = [
    ...(await schedule(first.url, numbers('kept'), { sendAt: keptAt })),
    ...(await schedule(first.url, numbers('missed'), { sendAt: from(8_000) })),
    ...(await schedule(first.url, numbers('late'), { sendAt: from(8_000), notAfter: from(9_000) })),
  ];
  await first.kill();
  await sleep(9_500);
  const service = await place.start();
  const startedAt = Date.now();
  expect(await ended(service.url, ids)).toEqual([...Array(6).fill('accepted'), ...Array(3).fill('not_sent')]);
  expect(sentAt(simulator, numbers('late'))).toEqual([[], [], []]);
  expect(sentAt(simulator, numbers('missed')).map(({ length }) => length)).toEqual([1, 1, 1]);
  // On a slow machine, the time may pass while the service starts.
  const due = Math.max(Date.parse(keptAt), startedAt);
  const times = sentAt(simulator, numbers('kept'));
  for (const [time = Number.NaN] of times) expect(time).toBeGreaterThanOrEqual(Date.parse(keptAt));
  const delays = times.map((all) => all.map((time) => time - due));
  console.log(`kept across a restart: ${delays.join(', ')} ms after its time`);
  for (const [delay = Number.NaN, ...more] of delays) {
    expect(more).toEqual([]);
    expect(delay).toBeLessThan(lateMaxMs);
  }
  expect(simulator.violations).toEqual([]);
});

test('killed at each durable write between the time and the outcome, it sends each message once at most', async () => {
  const { place, simulator } = scene;
  const counts: Record<string, number> = {};
  for (let write = 1; write <= writes; write += 1) {
    const recorder = await place.start();
    const numbers = [write * 10, write * 10 + 1].map(numberOf);
    // Due when the next process has started.
    const ids = await schedule(recorder.url, numbers, { sendAt: from(2_000) });
    await recorder.kill();
    await sleep(2_000);
    const killed = await place.start({ under: killedAtFsync(write), mayDie: true });
    await Promise.race([killed.ended, sleep(2_500)]);
    await killed.kill();
    const service = await place.start();
    const states = await ended(service.url, ids);
    for (const [at, times] of sentAt(simulator, numbers).entries()) {
      const state = states[at] ?? '';
      counts[state] = (counts[state] ?? 0) + 1;
      expect(['accepted', 'unknown'], `killed at write ${write}`).toContain(state);
      expect(times.length, `killed at write ${write}, ${state}`).toBeLessThanOrEqual(1);
      if (state === 'accepted') expect(times.length).toBe(1);
    }
    await service.kill();
  }
  console.log(`killed at each durable write: ${JSON.stringify(counts)}`);
  expect(simulator.violations).toEqual([]);
});

test('steps of the clock are followed within a second, and nothing is sent twice', async () => {
  const { place, simulator } = scene;
  const clock = join(place.folder, 'clock');
  const setClock = (offset: string) => writeFileSync(clock, offset);
  setClock('+0');
  const env = {
    LD_PRELOAD: process.env.LIBFAKETIME ?? '',
    FAKETIME_TIMESTAMP_FILE: clock,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  };
  const { url } = await place.start({ env });
  const [tomorrow, nextWeek] = [[1, 2, 3].map(numberOf), [4, 5, 6].map(numberOf)];
  const ids = await schedule(url, tomorrow, { sendAt: from(dayMs) });
  const later = await schedule(url, nextWeek, { sendAt: from(7 * dayMs), notAfter: from(8 * dayMs) });
  await sleep(1_500);
  expect(sentAt(simulator, tomorrow)).toEqual([[], [], []]);
  const stepped = Date.now();
  setClock('+25h');
  expect(await ended(url, ids)).toEqual(Array(3).fill('accepted'));
  for (const [time = Number.NaN] of sentAt(simulator, tomorrow)) expect(time - stepped).toBeLessThan(1_000 + lateMaxMs);
  setClock('-2d');
  await sleep(1_500);
  setClock('+25h');
  await sleep(1_500);
  expect(sentAt(simulator, [...tomorrow, ...nextWeek]).map(({ length }) => length)).toEqual([1, 1, 1, 0, 0, 0]);
  // Moves the clock past both times at once.
  setClock('+9d');
  expect(await ended(url, later)).toEqual(Array(3).fill('not_sent'));
  setClock('+7d');
  await sleep(1_500);
  expect(sentAt(simulator, nextWeek)).toEqual([[], [], []]);
  expect(simulator.violations).toEqual([]);
});
