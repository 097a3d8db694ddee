import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { expect, test } from 'vitest';
import { atRate } from '../../bench/open-load.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { aDatabase } from './database.ts';
import { caughtUp, delays, doubles, eventFaults } from './event-oracle.ts';
import { followFeed, followStream, type Reading, reader, wholeFeed } from './event-readers.ts';
import { anEventReceiver, createEndpoint } from './event-receiver.ts';
import { anEventSource, webhookSettings } from './event-source.ts';
import { aPlace, callerKey, freePort, type Service } from './service.ts';

/** `EVENT_SECONDS=120 KILLS=10 .ci/postgres events` is the full size. */
const seconds = Number(process.env.EVENT_SECONDS ?? 14);
const kills = Number(process.env.KILLS ?? 1);
const perSecond = 300;
/** Maximum number of requests in flight to an endpoint. */
const inFlight = 8;

/** Returns whether this process serves the endpoint. */
async function serves(service: Service): Promise<boolean> {
  const answer = await request(`${service.url}/metrics`, { headers: { authorization: `Bearer ${callerKey}` } });
  return /^wati_bff_webhook_endpoints\{status="enabled"\} 1$/m.test(await answer.body.text());
}

test(`two replicas under ${perSecond} events a second, one killed ${kills} times: every reader has each event once and in order`, async () => {
  const simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
  const database = await aDatabase();
  const place = aPlace(simulator, database.url, [reader]);
  const source = await anEventSource(place, { storeUrl: database.url, webhooks: perSecond * seconds, doors: 2 });
  const receiver = await anEventReceiver();
  const ports = [await freePort(), await freePort()];
  const start = (which: number) =>
    place.start({
      port: ports[which] ?? 0,
      settings: { STORE_LEASE_MS: '3000', ...source.doors[which], ...webhookSettings([receiver.port]) },
    });
  const readings: Record<string, Reading> = {};
  try {
    const replicas = await Promise.all([start(0), start(1)]);
    const urls = replicas.map(({ url }) => url);
    urls.forEach((url, which) => {
      readings[`feed ${which}`] = followFeed(url);
      readings[`stream ${which}`] = followStream(url);
    });
    await createEndpoint(urls[0] ?? '', receiver);
    const posting = atRate(perSecond, seconds, async () => void (await source.post()));
    for (let kill = 0; kill < kills; kill += 1) {
      await sleep((seconds * 1_000) / (kills + 1));
      // Chooses the replica that serves the endpoint, if there is one.
      const which = Math.max(0, (await Promise.all(replicas.map(serves))).indexOf(true));
      await replicas[which]?.kill();
      replicas[which] = await start(which);
    }
    await posting;
    await source.repeat();
    const total = source.events.length;
    await caughtUp(total, { readings, receivers: [receiver] });
    const feed = await wholeFeed(urls[1] ?? '');
    const faults = eventFaults({ source, feed, readings, receivers: [receiver] });
    const posts = source.events.flatMap(({ answers }) => answers);
    const told = Object.entries(readings).map(
      ([name, { seen, breaks }]) => `${name} ${delays(source, seen)}, ${breaks} breaks`,
    );
    console.log(
      `events, two replicas, ${kills} kills: ${total} webhooks at ${perSecond}/s in ${posts.length} posts, ${feed.length} events; ` +
        `${told.join('; ')}; webhooks ${delays(source, receiver.seen)}, ${doubles(receiver.seen)} doubled`,
    );
    expect(faults).toEqual([]);
    expect(feed.length).toBe(total);
    expect(doubles(receiver.seen)).toBeLessThanOrEqual(inFlight * kills);
  } finally {
    await Promise.all(Object.values(readings).map((each) => each.close()));
    await source.close();
    await receiver.goAway();
    await place.close();
    await database.drop();
    await simulator.close();
  }
});
