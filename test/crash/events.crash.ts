import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { atRate } from '../../bench/open-load.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { createRandom } from '../faults/random.ts';
import { caughtUp, delays, doubles, eventFaults } from './event-oracle.ts';
import { followFeed, followStream, type Reading, reader, wholeFeed } from './event-readers.ts';
import { anEventReceiver, createEndpoint, type EventReceiver } from './event-receiver.ts';
import { anEventSource, type EventSource, webhookSettings } from './event-source.ts';
import { killedAtFsync } from './injected.ts';
import { load } from './sends.ts';
import { aPlace, freePort, type Place } from './service.ts';
import { storeOf } from './webhooks.ts';

/** `KILLS=200 .ci/crash events` is the full number of random kills; `SEED` repeats a run. */
const kills = Number(process.env.KILLS ?? 20);
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const perSecond = 200;
const perLife = 150;
/** Maximum number of requests in flight to an endpoint. */
const inFlight = 8;

let simulator: Simulator;
let place: Place;
let source: EventSource;
let receiver: EventReceiver;
let settings: Record<string, string>;
let port: number;
const refusals = createRandom(seed);
let closing: Reading[];
beforeEach(async () => {
  simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
  place = aPlace(simulator, undefined, [reader]);
  source = await anEventSource(place, { storeUrl: storeOf(place), webhooks: 1_000 + kills * perLife });
  // A refused event is sent again after five seconds.
  receiver = await anEventReceiver(() => refusals.chance(0.05));
  settings = { ...source.doors[0], ...webhookSettings([receiver.port]) };
  // The same port for every process, because readers reconnect to it.
  port = await freePort();
  closing = [];
});
afterEach(async () => {
  await Promise.all(closing.map((each) => each.close()));
  await source.close();
  await receiver.goAway();
  await place.close();
  await simulator.close();
});

interface Lives {
  readings: Record<string, Reading>;
  killed: number;
}

/** Checks that a process that is not killed delivers everything. Returns figures for the log. */
async function expectAllTold({ readings, killed }: Lives): Promise<string> {
  const service = await place.start({ settings, port });
  await source.repeat();
  const total = source.events.length;
  await caughtUp(total, { readings, receivers: [receiver] });
  const feed = await wholeFeed(service.url);
  const faults = eventFaults({ source, feed, readings, receivers: [receiver] });
  const posts = source.events.flatMap(({ answers }) => answers).length;
  const doubled = doubles(receiver.seen);
  await service.kill();
  expect(faults, `seed ${seed}`).toEqual([]);
  expect(feed.length).toBe(total);
  expect(doubled).toBeLessThanOrEqual(inFlight * killed);
  return `${total} webhooks in ${posts} posts, ${feed.length} events; webhooks to the caller ${delays(source, receiver.seen)}, ${doubled} doubled, ${receiver.refused.size} refused at first`;
}

/** Starts readers that outlive the service. The first process creates the endpoint. */
async function follow(): Promise<Record<string, Reading>> {
  const service = await place.start({ settings, port });
  await createEndpoint(service.url, receiver);
  await service.kill();
  const readings = { 'a feed': followFeed(service.url), 'a stream': followStream(service.url) };
  closing.push(...Object.values(readings));
  return readings;
}

/** Webhooks for one life; `first` resolves when one of them is answered 200, or none is for long. */
function posting() {
  let isOver = false;
  let left = perLife;
  const { promise: first, resolve } = Promise.withResolvers<unknown>();
  const running = (async () => {
    while (!isOver)
      await atRate(perSecond, 0.1, async () => {
        if (!isOver && left-- > 0 && (await source.post()) === 200) resolve(0);
      });
  })();
  return {
    first: Promise.race([first, sleep(5_000)]),
    end: async () => {
      isOver = true;
      await running;
    },
  };
}

test(`killed ${kills} times at random under ${perSecond} webhooks a second, it makes one event of each that it answered, and sends it`, {
  timeout: 300_000 + kills * 10_000,
}, async () => {
  const random = createRandom(seed);
  const readings = await follow();
  for (let kill = 0; kill < kills; kill += 1) {
    const service = await place.start({ settings, port });
    const life = posting();
    // Most kills happen while something can be lost.
    if (random.chance(0.8)) await life.first;
    await sleep(random.between(0, 400));
    await service.kill();
    await life.end();
  }
  // Otherwise nothing could be lost.
  expect(source.events.filter(({ answers }) => answers[0] === 200).length).toBeGreaterThan(kills);
  console.log(`events, seed ${seed}, ${kills} random kills: ${await expectAllTold({ readings, killed: kills })}`);
});

test('killed at every durable write from the answer to a webhook to the end of what is sent for it, it makes one event of each and sends it', async () => {
  const readings = await follow();
  for (let nth = 1; ; nth += 1) {
    const service = await place.start({ settings, port, under: killedAtFsync(nth), mayDie: true });
    let left = service.alive ? 8 : 0;
    let isKilled = false;
    await load(
      4,
      () => !isKilled && left-- > 0,
      async () => {
        if ((await source.post()) === 0) isKilled = true;
      },
    );
    if (!isKilled) {
      const total = source.events.filter(({ answers }) => answers.includes(200)).length;
      await caughtUp(total, { readings: {}, receivers: [receiver], isOver: () => !service.alive });
      // The last writes say how far the endpoint is.
      await Promise.race([service.ended, sleep(500)]);
    }
    if (!service.alive || isKilled) {
      await service.ended;
      continue;
    }
    await service.kill();
    // The last kill is one of a process that may have had requests under way.
    console.log(`events, killed at ${nth - 1} durable writes: ${await expectAllTold({ readings, killed: nth })}`);
    expect(nth).toBeGreaterThan(15);
    return;
  }
});
