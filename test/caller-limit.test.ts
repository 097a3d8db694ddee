import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createCallerLimit, type PermitSource } from '../plugins/caller-limit.ts';
import { openStore } from '../src/store/open.ts';
import { OPTIONS } from './store/samples.ts';

/** The permits of a store, of which every question is remembered, and which may be gone. */
async function aSource(replicas = 1) {
  const store = await openStore('memory:', OPTIONS);
  const source = {
    gone: false as false | 'refusing' | 'silent',
    asks: [] as { most: number; owed: number }[],
    takePermits: async (...[caller, ask]: Parameters<PermitSource['takePermits']>) => {
      source.asks.push({ most: ask.most, owed: Math.round(ask.owed) });
      if (source.gone === 'silent') await new Promise(() => {});
      if (source.gone) throw new Error('the store is gone');
      return { ...(await store.takePermits(caller, ask)), replicas };
    },
  };
  return source;
}

type Limit = ReturnType<typeof createCallerLimit>;
const asked = (limit: Limit, rate: number) =>
  new Promise<number>((resolve) => limit('a', rate, (refused) => resolve(refused?.status ?? 200)));
const many = async (limit: Limit, rate: number, count: number) =>
  (await Promise.all(Array.from({ length: count }, () => asked(limit, rate)))).filter((status) => status === 200)
    .length;

describe('the own limit of a caller, over replicas', () => {
  it('lets one burst pass, whichever replicas it comes to', async () => {
    const source = await aSource();
    const limits = [createCallerLimit(source), createCallerLimit(source)];
    const passed = await Promise.all(limits.map((limit) => many(limit, 20, 30)));
    expect((passed[0] ?? 0) + (passed[1] ?? 0)).toBe(20);
  });

  it('asks for all who wait at once, and for those to come: not once a request', async () => {
    const source = await aSource();
    const limit = createCallerLimit(source);
    for (let round = 0; round < 10; round++) {
      expect(await many(limit, 1_000, 50)).toBe(50);
      await sleep(1);
    }
    expect(source.asks.length).toBeLessThan(50);
    // At most a tenth of a second's worth beyond those who wait.
    expect(Math.max(...source.asks.map(({ most }) => most))).toBeLessThanOrEqual(50 + 100);
  });

  it('refuses without asking until the next permit is due', async () => {
    const source = await aSource();
    const limit = createCallerLimit(source);
    expect(await many(limit, 0.5, 1)).toBe(1);
    expect(await many(limit, 0.5, 1)).toBe(0);
    const { length } = source.asks;
    expect(await many(limit, 0.5, 100)).toBe(0);
    expect(source.asks.length).toBe(length);
  });

  it('is another one as soon as the rate in the file is', async () => {
    const limit = createCallerLimit(await aSource());
    expect(await many(limit, 10, 50)).toBe(10);
    // What the second before has spent is still spent.
    await expect.poll(() => many(limit, 100, 1), { timeout: 2_000, interval: 5 }).toBe(1);
    await sleep(300);
    expect(await many(limit, 100, 20)).toBe(20);
  });

  it.each(['refusing', 'silent'] as const)(
    'is a careful share while the store is %s, and owes it afterwards',
    async (gone) => {
      const source = await aSource(4);
      const limit = createCallerLimit(source);
      expect(await many(limit, 40, 1)).toBe(1);
      await sleep(250); // what was taken in advance is lost
      source.gone = gone;
      // Nothing of a burst, however many ask.
      expect(await many(limit, 40, 100)).toBeLessThanOrEqual(1);
      const begun = performance.now();
      let passed = 0;
      while (performance.now() < begun + 700) {
        passed += await many(limit, 40, 5);
        await sleep(5);
      }
      const elapsed = (performance.now() - begun) / 1000;
      expect(passed).toBeGreaterThanOrEqual(4);
      expect(passed).toBeLessThanOrEqual(10 * elapsed + 1);
      source.gone = false;
      const { length } = source.asks;
      // It is busy to the end, so most of its share is owed.
      await expect
        .poll(async () => (await many(limit, 40, 5)) >= 0 && source.asks.length, { timeout: 5_000, interval: 5 })
        .toBeGreaterThan(length);
      expect(source.asks[length]?.owed).toBeGreaterThan(5);
      expect(source.asks[length]?.owed).toBeLessThanOrEqual(10);
      await sleep(250);
      expect(await many(limit, 40, 1)).toBe(1);
      expect(source.asks.at(-1)?.owed).toBe(0);
    },
  );
});
