import { describe, expect, it } from 'vitest';
import { createCallerLimiter } from '../../src/rate-limit/caller-limiter.ts';
import type { CallerTokenStore } from '../../src/store/coordination-store.ts';
import { openStore } from '../../src/store/open.ts';
import { OPTIONS } from '../store/samples.ts';

/** Of the limits and of the store; it stands still unless a test moves it. */
let now = 0;
const clock = () => now;

/** The permits of a store, of which every question is remembered, and which may be gone. */
async function aSource(replicas = 1) {
  const store = await openStore('memory:', { ...OPTIONS, monotonicClock: clock });
  const source = {
    gone: false as false | 'refusing' | 'silent',
    asks: [] as { maxTokens: number; debt: number }[],
    takeTokens: async (...[caller, ask]: Parameters<CallerTokenStore['takeTokens']>) => {
      source.asks.push({ maxTokens: ask.maxTokens, debt: Math.round(ask.debt) });
      if (source.gone === 'silent') await new Promise(() => {});
      if (source.gone) throw new Error('the store is gone');
      return { ...(await store.takeTokens(caller, ask)), replicas };
    },
  };
  return source;
}

type Limit = ReturnType<typeof createCallerLimiter>;
const asked = (limit: Limit, rate: number) =>
  new Promise<number>((resolve) => limit('a', rate, (refused) => resolve(refused?.status ?? 200)));
const many = async (limit: Limit, rate: number, count: number) =>
  (await Promise.all(Array.from({ length: count }, () => asked(limit, rate)))).filter((status) => status === 200)
    .length;

describe('the rate limit of a caller, over replicas', () => {
  it('admits one burst, whichever replicas it comes to', async () => {
    const source = await aSource();
    const limits = [createCallerLimiter(source, clock), createCallerLimiter(source, clock)];
    const passed = await Promise.all(limits.map((limit) => many(limit, 20, 30)));
    expect((passed[0] ?? 0) + (passed[1] ?? 0)).toBe(20);
  });

  it('takes tokens for all waiting requests and some ahead, not once per request', async () => {
    const source = await aSource();
    const limit = createCallerLimiter(source, clock);
    for (let round = 0; round < 10; round++) {
      expect(await many(limit, 1_000, 50)).toBe(50);
      now += 1;
    }
    expect(source.asks.length).toBeLessThan(50);
    // At most a tenth of a second's worth beyond those who wait.
    expect(Math.max(...source.asks.map(({ maxTokens }) => maxTokens))).toBeLessThanOrEqual(50 + 100);
  });

  it.each([['counted here'], ['shared']])(
    'is charged for further calls of a request, for a minute at most: %s',
    async (how) => {
      const limit = createCallerLimiter(how === 'shared' ? await aSource() : undefined, clock);
      now += 100_000;
      expect(await many(limit, 5, 1)).toBe(1);
      // As a request that took five calls.
      for (let n = 0; n < 4; n++) limit.charge('a', 5);
      expect(await many(limit, 5, 5)).toBe(0);
      now += 200;
      expect(await many(limit, 5, 5)).toBe(1);
      for (let n = 0; n < 10_000; n++) limit.charge('a', 5);
      now += 59_000;
      expect(await many(limit, 5, 5)).toBe(0);
      now += 3_000;
      expect(await many(limit, 5, 1)).toBe(1);
    },
  );

  it('refuses without a store request until the next token is due', async () => {
    const source = await aSource();
    const limit = createCallerLimiter(source, clock);
    expect(await many(limit, 0.5, 1)).toBe(1);
    expect(await many(limit, 0.5, 1)).toBe(0);
    const { length } = source.asks;
    expect(await many(limit, 0.5, 100)).toBe(0);
    expect(source.asks.length).toBe(length);
  });

  it('changes as soon as the rate in the file does', async () => {
    const limit = createCallerLimiter(await aSource(), clock);
    expect(await many(limit, 10, 50)).toBe(10);
    // What the second before has spent is still spent.
    expect(await many(limit, 100, 1)).toBe(0);
    now += 300;
    expect(await many(limit, 100, 20)).toBe(20);
  });

  it.each(['refusing', 'silent'] as const)(
    'is a reduced share while the store is %s, which is charged afterwards',
    async (gone) => {
      const source = await aSource(4);
      const limit = createCallerLimiter(source, clock);
      expect(await many(limit, 40, 1)).toBe(1);
      now += 250; // what was taken in advance is lost
      source.gone = gone;
      // Nothing of a burst, however many ask.
      expect(await many(limit, 40, 100)).toBe(0);
      let passed = 0;
      for (let ms = 0; ms < 700; ms += 5) {
        now += 5;
        passed += await many(limit, 40, 5);
      }
      expect(passed).toBe(7);
      source.gone = false;
      const { length } = source.asks;
      // It is busy to the end, so most of its share is owed.
      for (let ms = 0; ms < 1_000 && source.asks.length === length; ms += 5) {
        now += 5;
        await many(limit, 40, 5);
      }
      expect(source.asks[length]?.debt).toBeGreaterThan(5);
      expect(source.asks[length]?.debt).toBeLessThanOrEqual(10);
      now += 250;
      expect(await many(limit, 40, 1)).toBe(1);
      expect(source.asks.at(-1)?.debt).toBe(0);
    },
  );
});
