import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { expect, test } from 'vitest';
import { atRate, percentile } from '../../bench/open-load.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { caughtUp, distinct, eventFaults, quantiles, waits } from './event-oracle.ts';
import { reader, readerKey, wholeFeed } from './event-readers.ts';
import { anEventReceiver, createEndpoint, type EventReceiver } from './event-receiver.ts';
import { anEventSource, type EventSource, webhookSettings } from './event-source.ts';
import { aPlace } from './service.ts';
import { storeOf } from './webhooks.ts';

/**
 * `AWAY_S=3600 .ci/crash receiver-away` is the whole hour, on a machine that does nothing else: the pace is held then. Otherwise it
 * is printed. 45 s: an endpoint that is away is asked again after 48. With `BEHIND=360000` the events of an hour are posted as fast as
 * they are taken in, before the time away begins to count.
 */
const given = process.env.AWAY_S;
const awayS = Number(given ?? 45);
const behind = Number(process.env.BEHIND ?? 0);
const perSecond = 100;
/** With those of the even pace beside them, what a service without other work takes in. */
const extraPerSecond = 500;
/** Until what waits behind the extra ones is done. */
const settlesMs = 8_000;
const beforeS = 8;
/** 360,000 in 25 minutes. */
const drainedPerSecond = 240;
const laterMsMax = 20;
/** Failures before the breaker opens. */
const firstFailures = 8;

test(`a receiver is away for ${awayS} s at ${perSecond} events a second: nothing is written for it, it gets all of them, and no other waits for it`, {
  timeout: (awayS * 2 + behind / 60 + 300) * 1_000,
}, async () => {
  const simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
  const place = aPlace(simulator, undefined, [reader]);
  const source = await anEventSource(place, {
    ...{ storeUrl: storeOf(place), answersOnly: true },
    webhooks: behind + perSecond * (beforeS + awayS * 3 + behind / extraPerSecond + 1_500),
  });
  const [away, beside] = [await anEventReceiver(), await anEventReceiver()];
  let isOver = false;
  try {
    const settings = { ...source.doors[0], ...webhookSettings([away.port, beside.port]) };
    const { url } = await place.start({ settings });
    const id = await createEndpoint(url, away);
    await createEndpoint(url, beside);
    const posting = (async () => {
      while (!isOver) await atRate(perSecond, 1, async () => void (await source.post()));
    })();
    await sleep(beforeS * 1_000);
    const leftAt = performance.now();
    await away.goAway();
    await atRate(extraPerSecond, behind / extraPerSecond, async () => void (await source.post()));
    if (behind > 0) await sleep(settlesMs);
    const goneAt = performance.now();
    const parked = await parkedMeanwhile(url, id);
    const backAt = performance.now();
    await away.comeBack();
    const { first, rate, backlog, drainedAt } = await drained(away, beside);
    isOver = true;
    await posting;
    await source.repeat();
    await caughtUp(source.events.length, { readings: {}, receivers: [away, beside] });
    const phases = phasesOf(source, beside, { leftAt, goneAt, backAt, drainedAt });
    console.log(
      `receiver away for ${awayS} s at ${perSecond}/s: ${parked.most} parked at most, ${parked.last} at the end; ${backlog} events behind, ` +
        `the first ${Math.round(first - backAt)} ms after it was back, then ${Math.round(rate)}/s until it had caught up; ` +
        `the other endpoint ${quantiles(phases.before)} before, ${quantiles(phases.meanwhile)} meanwhile, ${quantiles(phases.after)} while it caught up`,
    );
    // After a quarter of an hour the endpoint itself is reported as failing.
    const feed = (await wholeFeed(url)).filter(({ fact }) => !fact.startsWith('webhook_endpoint.'));
    expect(eventFaults({ source, feed, readings: {}, receivers: [away, beside] })).toEqual([]);
    expect(parked.most).toBeLessThanOrEqual(firstFailures);
    expect(parked.last).toBe(0);
    expect(rate).toBeGreaterThan(given === undefined ? perSecond : drainedPerSecond);
    if (given !== undefined)
      for (const later of [phases.meanwhile, phases.after])
        for (const share of [0.5, 0.99])
          expect(percentile(later, share) - percentile(phases.before, share)).toBeLessThanOrEqual(laterMsMax);
  } finally {
    isOver = true;
    await source.close();
    await Promise.all([away.goAway(), beside.goAway()]);
    await place.close();
    await simulator.close();
  }
});

/** Counts the rows for its events while it is away. */
async function parkedMeanwhile(url: string, id: string): Promise<{ most: number; last: number }> {
  let [most, last] = [0, 0];
  for (const until = performance.now() + awayS * 1_000; performance.now() < until; await sleep(500)) {
    const answer = await request(`${url}/v1/webhook-endpoints/${id}`, {
      headers: { authorization: `Bearer ${readerKey}` },
    });
    const endpoint = (await answer.body.json()) as { parked: number; failed: number };
    last = endpoint.parked + endpoint.failed;
    most = Math.max(most, last);
  }
  return { most, last };
}

/** Resolves when it has all events of the other receiver, except those in flight. */
async function drained(away: EventReceiver, beside: EventReceiver) {
  const before = away.seen.length;
  while (away.seen.length === before) await sleep(5);
  const first = performance.now();
  const backlog = distinct(beside.seen) - before;
  while (beside.seen.length - away.seen.length > 2 * firstFailures) await sleep(20);
  const drainedAt = performance.now();
  return { first, backlog, drainedAt, rate: ((away.seen.length - before) * 1_000) / (drainedAt - first) };
}

function phasesOf(
  source: EventSource,
  { seen }: EventReceiver,
  times: Record<'leftAt' | 'goneAt' | 'backAt' | 'drainedAt', number>,
) {
  const { leftAt, goneAt, backAt, drainedAt } = times;
  return {
    // Without the start of the run.
    before: waits(source, seen, { from: leftAt - (beforeS - 3) * 1_000, to: leftAt }),
    meanwhile: waits(source, seen, { from: goneAt, to: backAt }),
    after: waits(source, seen, { from: backAt, to: drainedAt }),
  };
}
