import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { describe, expect, test } from 'vitest';
import { judge } from './oracle.ts';
import { startScene } from './scene.ts';
import { callerKey } from './service.ts';

const dayMs = 24 * 60 * 60 * 1000;
/** Records are deleted by age once a minute. */
const untilPurgedMs = 63_000;

/** Keys are released a day after the end of their send. Two days that pass only on the wall clock must not count. */
describe.concurrent.each([
  ['forward', '+2d', 2],
  ['back', '-2d', -2],
])('a step of two days %s', (_way, step, days) => {
  test('expires nothing early and doubles nothing, at work and over a crash', async () => {
    const scene = await startScene({ perSecond: Number.POSITIVE_INFINITY });
    const { simulator, place, caller } = scene;
    const clock = join(place.folder, 'clock');
    const setClock = (offset: string) => writeFileSync(clock, offset);
    setClock('+0');
    const settings = { KEY_RETENTION_HOURS: '24', UNKNOWN_RETENTION_DAYS: '1', RECORD_RETENTION_DAYS: '1' };
    const env = {
      LD_PRELOAD: process.env.LIBFAKETIME ?? '',
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
    const start = () => place.start({ settings, env });
    const newest = async (url: string) => {
      const answer = await request(`${url}/v1/messages?limit=1`, { headers: { authorization: `Bearer ${callerKey}` } });
      const { data } = (await answer.body.json()) as { data: { createdAt: string }[] };
      return Date.parse(data[0]?.createdAt ?? '') - Date.now();
    };
    const sendSome = async (url: string) => {
      for (let n = 0; n < 12; n += 1) await caller.say(url, caller.wish());
    };
    const repeatAll = async (url: string) => {
      for (const wish of caller.wishes.filter(({ key }) => key !== undefined)) {
        const told = await caller.say(url, wish);
        expect(told).toMatchObject({
          ...wish.told[0],
          ...(wish.async ? { status: 201, outcome: 'accepted' } : {}),
          replayed: true,
        });
      }
    };
    const check = async (url: string) => {
      await caller.settle(url);
      const { faults, counts } = judge(caller.wishes, await caller.records(url), simulator);
      expect(faults).toEqual([]);
      expect(counts).toMatchObject({ recorded: counts.wishes, unknown: 0, lost: 0 });
    };
    try {
      let service = await start();
      await sendSome(service.url);
      expect(Math.abs(await newest(service.url))).toBeLessThan(10_000);

      setClock(step);
      await sendSome(service.url);
      expect(Math.abs((await newest(service.url)) - days * dayMs)).toBeLessThan(10_000);
      await repeatAll(service.url);
      await sleep(untilPurgedMs);
      await repeatAll(service.url);
      await check(service.url);

      await service.kill();
      setClock('+0');
      service = await start();
      await repeatAll(service.url);
      await sendSome(service.url);
      await check(service.url);
      expect(simulator.violations).toEqual([]);
    } finally {
      await scene.close();
    }
  });
});
