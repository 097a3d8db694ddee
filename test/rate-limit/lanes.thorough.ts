import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lane } from '../../src/rate-limit/types.ts';
import { chance, densest, FakeTime } from './fake-time.ts';
import { bench, type Outcome } from './traffic.ts';

const count = (outcomes: readonly Outcome[], is: (outcome: Outcome) => boolean): number => outcomes.filter(is).length;
const times = (n: number, run: (index: number) => void): void => {
  for (let index = 0; index < n; index++) run(index);
};

describe('an idle rate limiter', () => {
  it('grants at once, with no timer, whatever the lane and the group', async () => {
    for (const lane of ['urgent', 'interactive', 'broadcast'] as const) {
      for (const group of [undefined, 'contacts', 'messages', 'templates'] as const) {
        const { time, budget, ask } = bench({ plan: 'growth' });
        const one = ask({ lane, timeoutMs: 0, ...(group && { group }) });
        await time.run(0);
        expect(one).toMatchObject({ how: 'granted', at: one.askedAt, promisedMs: 0 });
        expect(budget.expectedWaitMs({ lane, caller: 'crm' })).toBeGreaterThan(100);
        await time.run(111);
        expect(budget.expectedWaitMs({ lane, caller: 'crm' })).toBe(0);
      }
    }
  });

  it('saves no permits up: after an hour, one call starts at once and the next a slot later', async () => {
    const { time, ask, granted } = bench();
    await time.run(3_600_000);
    times(12, () => ask({}));
    await time.run(2_000);
    const gaps = granted().map(({ at }, index) => at - (granted()[index - 1]?.at ?? at));
    expect(gaps.slice(1).every((gap) => gap > 109 && gap < 111.5)).toBe(true);
  });

  it('uses nine tenths of the limit if timers are a millisecond late', async () => {
    const random = chance(3);
    const { time, budget, ask, granted } = bench({}, new FakeTime(() => random() * 2));
    times(700, () => ask({}));
    await time.run(60_000);
    expect(granted().length).toBeGreaterThanOrEqual(60 * 10 * 0.9);
    expect(budget.stats()).toMatchObject({ rate: 10, mode: 'local', tooManyRequests: 0, used: expect.closeTo(0.9, 1) });
  });

  it.each([100, 1_000, 20_000])('keeps a limit of %i per second, and uses 85 percent of it', async (perSecond) => {
    const random = chance(5);
    const { time, ask, granted } = bench({ perSecond }, new FakeTime(() => 1 + random() * 3));
    times(perSecond, () => ask({}));
    await time.run(900);
    const sent = granted().map(({ at }) => at);
    expect(densest(sent, 1_000)).toBeLessThanOrEqual(perSecond);
    expect(sent.length).toBeGreaterThanOrEqual(perSecond * 0.9 * 0.85);
  });

  it('has no limit at all at 100,000 and more', async () => {
    const { time, ask, granted } = bench({ perSecond: 1e9 });
    times(5_000, () => ask({ timeoutMs: 0 }));
    await time.run(0);
    expect(granted()).toHaveLength(5_000);
  });
});

describe('lanes', () => {
  it.each([2, 2.8, 5])(
    'single sends, %d a second, leave a fifth of a group’s calls to broadcasts',
    async (perSecond) => {
      const { time, ask, granted } = bench({ plan: 'growth' });
      times(400, () => ask({ lane: 'broadcast', group: 'templates', caller: 'shop' }));
      for (let n = 0; n < 60 * perSecond; n += 1) {
        ask({ group: 'templates' });
        await time.run(1_000 / perSecond);
      }
      const broadcasts = granted().filter(({ ask: { lane } }) => lane === 'broadcast').length;
      expect(broadcasts / granted().length).toBeGreaterThan(0.19);
    },
  );

  it.each(['growth', 'pro', 'business'] as const)(
    'a broadcast leaves calls to others in WATI’s plan %s, and single sends leave one to login codes',
    async (plan) => {
      const { time, ask } = bench({ plan });
      const template = (lane: Lane) => ask({ lane, group: 'templates', caller: lane });
      times(400, () => template('broadcast'));
      for (let second = 0; second < 30; second++) {
        await time.run(1_000);
        const [code, single] = second % 5 === 0 ? [template('urgent'), template('interactive')] : [];
        await time.run(450);
        if (code) expect([code.how, single?.how], `after ${second} s`).toEqual(['granted', 'granted']);
      }
      times(400, () => template('interactive'));
      await time.run(5_000);
      const code = template('urgent');
      await time.run(300);
      expect(code.how).toBe('granted');
    },
  );

  it('and calls of another group give a broadcast no claim to those calls, however many they are', async () => {
    const { time, ask } = bench({ plan: 'growth' });
    times(2_000, () => ask({ lane: 'broadcast', group: 'templates', caller: 'shop' }));
    const singles: Outcome[] = [];
    for (let n = 0; n < 3_500; n += 1) {
      // Texts for five seconds, then none for five.
      if (n % 80 < 40) ask({ caller: 'texts' });
      if (n % 173 === 172) times(5, (caller) => singles.push(ask({ group: 'templates', caller: `single ${caller}` })));
      await time.run(125);
    }
    expect(singles.length).toBe(100);
    expect(Math.max(...singles.map(({ at, askedAt }) => at - askedAt))).toBeLessThan(1_000);
  });

  it('urgent goes first, however many others wait', async () => {
    const { time, ask } = bench();
    times(200, (n) => ask({ lane: n % 2 === 0 ? 'broadcast' : 'interactive' }));
    await time.run(3_000);
    const urgent = ask({ lane: 'urgent', caller: 'login' });
    await time.run(300);
    expect(urgent.how).toBe('granted');
    expect(urgent.at - urgent.askedAt).toBeLessThanOrEqual(107);
    expect(urgent.promisedMs).toBeLessThanOrEqual(107);
  });

  it('a single send goes before the rest of a broadcast', async () => {
    const { time, ask } = bench();
    times(500, () => ask({ lane: 'broadcast' }));
    await time.run(10_000);
    const one = ask({});
    await time.run(500);
    expect(one.at - one.askedAt).toBeLessThanOrEqual(212);
  });

  it.each([1, 3, 40])(
    'a broadcast with %i requests at a time gets a fifth of the slots under a flood',
    async (depth) => {
      const { time, ask, outcomes, granted } = bench();
      times(600, (n) => ask({ caller: `c${n % 3}` }));
      const isBroadcast = ({ ask }: Outcome): boolean => ask.lane === 'broadcast';
      while (granted().length < 500) {
        const missing = depth - count(outcomes, (each) => isBroadcast(each) && each.how === 'waiting');
        times(missing, () => ask({ lane: 'broadcast' }));
        await time.run(20);
      }
      expect(count(granted().slice(0, 500), isBroadcast)).toBeGreaterThanOrEqual(depth === 1 ? 83 : 99);
      expect(count(granted().slice(0, 500), isBroadcast)).toBeLessThanOrEqual(101);
    },
  );

  it('a broadcast that is alone gets all slots', async () => {
    for (const lane of ['urgent', 'interactive', 'broadcast'] satisfies Lane[]) {
      const { time, ask, granted } = bench();
      times(30, () => ask({ lane }));
      await time.run(1_000);
      expect(granted()).toHaveLength(10);
    }
  });
});

describe('callers of one lane', () => {
  it('get their share by weight within 10 %, however many requests each has queued', async () => {
    const weights = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(weights, fc.nat(), async (weights, seed) => {
        const { time, ask, granted } = bench();
        const random = chance(seed);
        const asks = weights.flatMap((weight, n) => Array.from({ length: 400 }, () => ({ caller: `c${n}`, weight })));
        for (const each of asks.map((each) => ({ each, by: random() })).sort((a, b) => a.by - b.by)) ask(each.each);
        await time.run(30_000);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const sent = granted();
        for (const [n, weight] of weights.entries()) {
          const part = (sent.length * weight) / total;
          expect(Math.abs(count(sent, ({ ask }) => ask.caller === `c${n}`) - part)).toBeLessThanOrEqual(
            Math.max(2, part * 0.1),
          );
        }
      }),
      { numRuns: 25 },
    );
  });

  it('a new caller does not wait for the thousand requests of another', async () => {
    const { time, ask } = bench();
    times(1_000, () => ask({ caller: 'flood' }));
    await time.run(5_000);
    const one = ask({ caller: 'small' });
    await time.run(1_000);
    expect(one.at - one.askedAt).toBeLessThanOrEqual(2 * 107);
    expect(one.promisedMs).toBeLessThanOrEqual(3 * 107);
  });

  it('a caller that leaves and comes back gets no more than one that stays', async () => {
    const { time, ask, outcomes, granted } = bench();
    times(300, () => ask({ caller: 'stays' }));
    for (let n = 0; n < 1_000; n++) {
      if (count(outcomes, ({ ask, how }) => ask.caller === 'comes' && how === 'waiting') === 0)
        ask({ caller: 'comes' });
      await time.run(20);
    }
    const sent = granted();
    expect(count(sent, ({ ask }) => ask.caller === 'comes') / sent.length).toBeLessThanOrEqual(0.51);
  });

  it('keep their own order', async () => {
    const { time, ask, granted } = bench();
    times(60, (n) => ask({ caller: `c${n % 3}` }));
    await time.run(10_000);
    for (const caller of ['c0', 'c1', 'c2']) {
      const asked = granted()
        .filter(({ ask }) => ask.caller === caller)
        .map(({ askedAt }) => askedAt);
      expect(asked).toHaveLength(20);
      expect(asked).toEqual([...asked].sort((a, b) => a - b));
    }
  });
});
