import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { createRandom } from '../faults/random.ts';
import { failing, killedAtFsync } from './injected.ts';
import { load } from './sends.ts';
import { aPlace, callerKey, type Place } from './service.ts';
import { aWati, storeOf, type Wati } from './webhooks.ts';

/** `KILLS=200 .ci/crash webhooks` is the full number of random kills; `SEED` repeats a run. */
const kills = Number(process.env.KILLS ?? 20);
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const perSecond = 200;
/** The backlog may be thousands of events, and the machine busy. */
const patient = { timeout: 120_000, interval: 50 };

let simulator: Simulator;
let place: Place;
let wati: Wati;
beforeEach(async () => {
  simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
  place = aPlace(simulator);
  wati = await aWati(place, storeOf(place), { messages: 300 + kills * 40 });
});
afterEach(async () => {
  await wati.close();
  await place.close();
  await simulator.close();
});

/** In a life that is not killed, all that was answered in any of them is applied. */
async function expectNothingLost(what: string): Promise<void> {
  const service = await place.start({ settings: wati.settings });
  await wati.repeat();
  // Of another process it would be a second owner of the file.
  await expect.poll(() => backlog(service.url), patient).toBe(0);
  await service.kill();
  const lost = await wati.lost();
  const posted = wati.events.flatMap(({ answers }) => answers);
  const answered = wati.events.filter(({ answers }) => answers.includes(200));
  console.log(
    `webhooks, ${what}: ${wati.events.length} events in ${posted.length} posts, ${posted.filter((status) => status !== 200).length} of these without a 200; ` +
      `answered 200: ${answered.length}, answered 200 and not applied: ${lost.length}`,
  );
  expect(lost).toEqual([]);
  expect(answered).toHaveLength(wati.events.length);
}

async function backlog(url: string): Promise<number> {
  const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${callerKey}` } });
  return Number(/^wati_bff_intake_backlog_events\{state="waiting"\} (\d+)$/m.exec(await answer.text())?.[1]);
}

test('killed at every durable write of taking 16 webhooks in one after the other and applying them, it loses none that it answered', async () => {
  for (let nth = 1; ; nth += 1) {
    const service = await place.start({ settings: wati.settings, under: killedAtFsync(nth), mayDie: true });
    let left = service.alive ? 16 : 0;
    let isKilled = false;
    await load(
      1, // those that come at once share a commit
      () => !isKilled && left-- > 0,
      async () => {
        if ((await wati.post()) === 0) isKilled = true;
      },
    );
    // The last commits are those of applying.
    if (!isKilled) await Promise.race([service.ended, quiet(service.url)]);
    if (!service.alive || isKilled) {
      await service.ended;
      continue;
    }
    await service.kill();
    await expectNothingLost(`killed at ${nth - 1} durable writes`);
    expect(nth).toBeGreaterThan(20);
    return;
  }
});

/** Nothing is left to apply; it may be killed while it is asked. */
async function quiet(url: string): Promise<void> {
  while ((await backlog(url).catch(() => 0)) !== 0) await sleep(20);
}

/** As many a second as WATI posts, until it is killed; resolves when each has its answer or none. */
async function postUntil(isOver: () => boolean): Promise<void> {
  const posts: Promise<number>[] = [];
  const startedAt = performance.now();
  while (!isOver()) {
    const due = ((performance.now() - startedAt) / 1_000) * perSecond;
    while (posts.length < due) posts.push(wati.post());
    await sleep(1);
  }
  await Promise.all(posts);
}

test(
  `killed ${kills} times at random under ${perSecond} webhooks a second, it loses none that it answered`,
  async () => {
    const random = createRandom(seed);
    for (let kill = 0; kill < kills; kill += 1) {
      const service = await place.start({ settings: wati.settings });
      let isKilled = false;
      const posting = postUntil(() => isKilled);
      await sleep(random.between(0, 400));
      await service.kill();
      isKilled = true;
      await posting;
    }
    // Else nothing could be lost.
    expect(wati.events.filter(({ answers }) => answers[0] === 200).length).toBeGreaterThan(kills);
    await expectNothingLost(`seed ${seed}, ${kills} random kills under ${perSecond}/s`);
  },
  // A start takes seconds where the machine is busy.
  240_000 + kills * 10_000,
);

test.each([
  ['a full disk', 'pwrite64:error=ENOSPC'],
  ['a disk whose fsync fails', 'fsync,fdatasync:error=EIO'],
])('%s is a 503 for webhooks, nothing of them is lost, and it heals without a restart', async (name, inject) => {
  const service = await place.start({ settings: { ...wati.settings, INTAKE_WAIT_MS: '300' } });
  for (let n = 0; n < 20; n += 1) expect(await wati.post()).toBe(200);
  const heal = await failing(service.pid(), inject);
  const answers = await Promise.all(Array.from({ length: 20 }, () => wati.post()));
  expect(answers).toEqual(answers.map(() => 503));
  await heal();
  await wati.repeat();
  await expect.poll(() => backlog(service.url), patient).toBe(0);
  await service.kill();
  await expectNothingLost(name);
});
