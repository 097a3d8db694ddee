import { describe, expect, it } from 'vitest';
import { createRateLimiter } from '../../src/rate-limit/outbound-limiter.ts';
import type { Reservation, ReservationStore } from '../../src/store/coordination-store.ts';
import { chance, densest, FakeTime } from './fake-time.ts';

/** The slots of a database with a clock of its own, some way off; `how` it works may change. */
class FakeSource implements ReservationStore {
  how: 'works' | 'fails' | 'hangs' = 'works';
  replicas: number;
  reserved = 0;
  readonly #time: FakeTime;
  readonly #way: () => number;
  #next = 0;

  constructor(time: FakeTime, replicas: number, way: () => number) {
    this.#time = time;
    this.replicas = replicas;
    this.#way = way;
  }

  reservePermit(intervalMs: number): Promise<Reservation> {
    this.reserved++;
    if (this.how === 'fails') return Promise.reject(new Error('the store is gone'));
    if (this.how === 'hangs') return new Promise(() => undefined);
    const [there, back] = [this.#way(), this.#way()];
    return new Promise((resolve) => {
      this.#time.at(this.#time.now + there, () => {
        const nowMs = this.#time.now + 7_000_000;
        const slot = Math.max(this.#next, nowMs);
        this.#next = slot + intervalMs;
        this.#time.at(this.#time.now + back, () => resolve({ waitMs: slot - nowMs, nowMs, replicas: this.replicas }));
      });
    });
  }

  async blockReservations(ms: number): Promise<void> {
    if (this.how !== 'works') throw new Error('the store is gone');
    this.#next = Math.max(this.#next, this.#time.now + 7_000_000 + ms);
  }
}

function cluster(size: number, way: (random: () => number) => number, lateMs = 2) {
  const random = chance(size);
  const time = new FakeTime(() => random() * lateMs);
  const source = new FakeSource(time, size, () => way(random));
  const sent: { at: number; by: number }[] = [];
  const budgets = Array.from({ length: size }, () =>
    createRateLimiter({
      perSecond: 10,
      plan: 'growth',
      reservations: source,
      clock: time.clock,
      setTimer: time.setTimer,
    }),
  );
  const flood = (by: number, n: number): void => {
    for (let index = 0; index < n; index++) {
      budgets[by]?.acquire({ lane: 'interactive', caller: 'crm', deadline: Number.POSITIVE_INFINITY }).then(
        () => sent.push({ at: time.now, by }),
        () => undefined,
      );
    }
  };
  const times = (from = 0, until = Number.POSITIVE_INFINITY): number[] =>
    sent.map(({ at }) => at).filter((at) => at >= from && at < until);
  return { time, source, budgets, flood, sent, times, random };
}

describe('several replicas', () => {
  it.each([
    ['next door', () => 1],
    ['some way off', (random: () => number) => 3 + random() * 10],
    ['far away', () => 40],
    ['now and then slow', (random: () => number) => (random() < 0.1 ? 100 : 2)],
  ])('keep ten per second together and use 85 percent of it, with a source %s', async (_, way) => {
    for (const size of [1, 2, 3]) {
      const { time, flood, times, random, sent } = cluster(size, way);
      for (let by = 0; by < size; by++) flood(by, 400);
      await time.run(30_000);
      expect(
        densest(
          times().map((at) => at + random() * 20),
          1_000,
        ),
      ).toBeLessThanOrEqual(10);
      expect(times().length).toBeGreaterThanOrEqual(30 * 10 * 0.85);
      for (let by = 0; by < size; by++) {
        expect(sent.filter((each) => each.by === by).length).toBeGreaterThan((times().length / size) * 0.6);
      }
    }
  });

  it('an idle one reserves no slot, and is served at once', async () => {
    const { time, source, flood, times, budgets } = cluster(2, () => 3);
    await time.run(10_000);
    expect([source.reserved, budgets[0]?.expectedWaitMs({ lane: 'interactive', caller: 'crm' })]).toEqual([0, 0]);
    const from = time.now;
    flood(0, 1);
    await time.run(200);
    expect(times()[0]).toBeLessThanOrEqual(from + 10);
    expect(source.reserved).toBe(1);
  });

  it('do not take the source for failed before they have read what came while they were held up', async () => {
    let now = 0;
    let ring = () => {};
    let answer: (slot: Reservation) => void = () => {};
    const budget = createRateLimiter({
      ...{ perSecond: 10, plan: 'growth', clock: () => now },
      setTimer: (run) => {
        ring = run;
        return () => {};
      },
      reservations: {
        reservePermit: () => new Promise((resolve) => (answer = resolve)),
        blockReservations: async () => {},
      },
    });
    const refused = expect(
      budget.acquire({ lane: 'urgent', caller: 'crm', deadline: Number.POSITIVE_INFINITY }),
    ).rejects.toThrow('shutting down');
    const later = (ms: number) => {
      now += ms;
      ring();
      return budget.stats().mode;
    };
    expect(later(900)).toBe('shared');
    answer({ waitMs: 0, nowMs: 895, replicas: 1 });
    await undefined;
    expect([later(900), later(100)]).toEqual(['shared', 'fallback']);
    budget.close();
    await refused;
  });

  it('share the limits of the plan', async () => {
    const { time, budgets, flood } = cluster(2, () => 2);
    flood(0, 1);
    flood(1, 1);
    await time.run(500);
    let reads = 0;
    for (const budget of budgets) {
      for (let n = 0; n < 20; n++) {
        const ask = { lane: 'urgent', caller: 'crm', group: 'messages', deadline: Number.POSITIVE_INFINITY } as const;
        budget.acquire(ask).then(
          () => reads++,
          () => undefined,
        );
      }
    }
    await time.run(9_000);
    expect(reads).toBe(10);
  });

  it('all pause after a 429 that one of them got', async () => {
    const { time, budgets, flood, times } = cluster(2, () => 2);
    flood(0, 100);
    flood(1, 100);
    await time.run(3_000);
    budgets[0]?.reportTooManyRequests(undefined, 5_000);
    const from = time.now;
    await time.run(10_000);
    // The other one may have one slot in hand.
    expect(times(from + 1, from + 5_000).length).toBeLessThanOrEqual(1);
    expect(times(from + 5_000).length).toBeGreaterThan(20);
  });

  it('do not keep asking the source during the cooldown, even if it does not know of it', async () => {
    const { time, source, budgets, flood, times } = cluster(1, () => 2);
    source.blockReservations = () => Promise.reject(new Error('the store is gone'));
    flood(0, 100);
    await time.run(1_000);
    const reserved = source.reserved;
    budgets[0]?.reportTooManyRequests(undefined, 5_000);
    const from = time.now;
    await time.run(4_900);
    expect([times(from + 1), source.reserved - reserved]).toEqual([[], 0]);
    await time.run(1_000);
    expect(times(from + 5_000).length).toBeGreaterThan(3);
  });

  it.each(['fails', 'hangs'] as const)(
    'continue with their reduced share while the source %s, and recover',
    async (how) => {
      const { time, source, budgets, flood, times, random } = cluster(2, () => 2);
      flood(0, 2_000);
      flood(1, 2_000);
      await time.run(5_000);
      source.how = how;
      const from = time.now;
      await time.run(30_000);
      expect(budgets.map((budget) => budget.stats().mode)).toEqual(['fallback', 'fallback']);
      const meanwhile = times(from + 3_000).length / 27;
      expect(meanwhile).toBeGreaterThan(7.5);
      expect(meanwhile).toBeLessThan(10);
      source.how = 'works';
      await time.run(10_000);
      expect(budgets.map((budget) => budget.stats().mode)).toEqual(['shared', 'shared']);
      expect(times(time.now - 2_000).length).toBeGreaterThanOrEqual(18);
      expect(
        densest(
          times().map((at) => at + random() * 20),
          1_000,
        ),
      ).toBeLessThanOrEqual(10);
    },
  );

  it('a single one never uses more than half of the limit without the source, and a fourth if it knew of four', async () => {
    for (const [replicas, most] of [
      [1, 5],
      [2, 5],
      [4, 3],
    ] as const) {
      const { time, source, flood, times } = cluster(1, () => 2);
      source.replicas = replicas;
      flood(0, 1_000);
      await time.run(3_000);
      source.how = 'fails';
      const from = time.now;
      await time.run(20_000);
      expect(densest(times(from + 1_000), 1_000)).toBeLessThanOrEqual(most);
      expect(times(from + 1_000).length).toBeGreaterThan(19 * (10 / Math.max(2, replicas)) * 0.85);
    }
  });

  it('a replica that stalls loses its slots and does not make up for them', async () => {
    const { time, flood, times, source } = cluster(2, () => 2);
    flood(0, 400);
    flood(1, 400);
    for (let n = 0; n < 40; n++) {
      await time.run(300);
      time.now += 200; // the event loop stands still
    }
    expect(densest(times(), 1_000)).toBeLessThanOrEqual(10);
    expect(source.reserved).toBeGreaterThan(times().length);
  });
});
