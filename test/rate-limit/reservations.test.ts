import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { createRateLimiter } from '../../src/rate-limit/outbound-limiter.ts';
import type { ReservationStore } from '../../src/store/coordination-store.ts';
import { openStore } from '../../src/store/open.ts';
import { OPTIONS } from '../store/samples.ts';
import { densest } from './fake-time.ts';

type Store = Awaited<ReturnType<typeof openStore>>;

/** `pass` lets the clock of the store go on, ms. */
function conformance(name: string, open: () => Promise<Store>, pass: (ms: number) => unknown): void {
  describe(`${name}: slots`, () => {
    it('are reserved one after the other, from now on and never in the past', async () => {
      const store = await open();
      const reservations = [];
      for (let n = 0; n < 4; n++) reservations.push(await store.reservePermit(100));
      const at = reservations.map(({ waitMs, nowMs }) => waitMs + nowMs);
      for (const [index, slot] of at.slice(1).entries())
        expect(Math.abs(slot - (at[index] ?? 0) - 100)).toBeLessThan(5);
      expect(reservations.map(({ replicas }) => replicas)).toEqual([1, 1, 1, 1]);
      await pass(450);
      expect((await store.reservePermit(100)).waitMs).toBe(0);
      await store.close();
    });

    it('are blocked for a minute at most', async () => {
      const store = await open();
      await store.blockReservations(3_000);
      const first = await store.reservePermit(100);
      expect(first.waitMs).toBeGreaterThan(2_500);
      expect(first.waitMs).toBeLessThanOrEqual(3_000);
      await store.blockReservations(1_000);
      expect((await store.reservePermit(100)).waitMs).toBeGreaterThan(2_600);
      await store.blockReservations(3_600_000);
      const last = await store.reservePermit(100);
      expect(last.waitMs).toBeGreaterThan(55_000);
      expect(last.waitMs).toBeLessThanOrEqual(60_000);
      await store.close();
    });

    it('of a closed store are a StoreError', async () => {
      const store = await open();
      await store.close();
      await expect(store.reservePermit(100)).rejects.toMatchObject({ name: 'StoreError' });
      await expect(store.blockReservations(100)).rejects.toMatchObject({ name: 'StoreError' });
    });
  });

  describe(`${name}: tokens of a caller`, () => {
    const ask = { perSecond: 10, burst: 10, maxTokens: 4, debt: 0 };

    it('are available up to a burst, then regained with time, separately for each caller', async () => {
      const store = await open();
      const granted = [];
      for (let n = 0; n < 4; n++) granted.push((await store.takeTokens('a', ask)).granted);
      // On a busy machine one more may have come meanwhile.
      expect(granted.slice(0, 2)).toEqual([4, 4]);
      expect((granted[2] ?? 0) + (granted[3] ?? 0)).toBeLessThanOrEqual(4);
      const empty = await store.takeTokens('a', { ...ask, maxTokens: 10 });
      expect(empty).toMatchObject({ granted: expect.toSatisfy((n) => n <= 3), replicas: 1 });
      expect(empty.waitMs).toBeGreaterThan(0);
      expect(empty.waitMs).toBeLessThanOrEqual(100);
      expect((await store.takeTokens('b', ask)).granted).toBe(4);
      await pass(350);
      expect((await store.takeTokens('a', { ...ask, maxTokens: 3 })).granted).toBe(3);
      await store.close();
    });

    it('are reduced by a debt, even after a pause', async () => {
      const store = await open();
      expect((await store.takeTokens('c', { ...ask, debt: 7 })).granted).toBe(3);
      expect((await store.takeTokens('d', { ...ask, maxTokens: 1 })).granted).toBe(1);
      expect((await store.takeTokens('d', { ...ask, debt: 100 })).granted).toBe(0);
      await store.close();
    });

    it('of one in five seconds come one at a time', async () => {
      const store = await open();
      const slow = { perSecond: 0.2, burst: 1, maxTokens: 1, debt: 0 };
      expect((await store.takeTokens('e', slow)).granted).toBe(1);
      const { granted, waitMs } = await store.takeTokens('e', slow);
      expect(granted).toBe(0);
      expect(waitMs).toBeGreaterThan(3_000);
      expect(waitMs).toBeLessThanOrEqual(5_000);
      await store.close();
    });
  });
}

let passedMs = 0;
conformance(
  'SQLite',
  () => openStore('memory:', { ...OPTIONS, monotonicClock: () => performance.now() + passedMs }),
  (ms) => {
    passedMs += ms;
  },
);

const server = process.env.TEST_POSTGRES_URL;
if (server === undefined) {
  describe.skip('PostgreSQL: NOT TESTED, because TEST_POSTGRES_URL is not set (.ci/postgres.sh start prints one)', () => {
    it('slots', () => undefined);
  });
} else {
  const name = `slots_${process.pid}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  const query = async (at: string, text: string): Promise<void> => {
    const client = new pg.Client({ connectionString: at });
    await client.connect();
    await client.query(text);
    await client.end();
  };
  const made = query(server, `CREATE DATABASE ${name}`);
  const open = async (): Promise<Store> => {
    await made;
    const store = await openStore(url.href, OPTIONS);
    await query(url.href, 'TRUNCATE send_slots, caller_permits');
    return store;
  };
  afterAll(() => query(server, `DROP DATABASE ${name} WITH (FORCE)`));

  conformance('PostgreSQL', open, setTimeout);

  describe('PostgreSQL: two replicas by real timers', () => {
    it('a hundred at once get a hundred slots', async () => {
      const stores = [await open(), await open()];
      const reservations = await Promise.all(
        Array.from({ length: 100 }, (_, n) => (stores[n % 2] ?? never()).reservePermit(50)),
      );
      const at = reservations.map(({ waitMs, nowMs }) => waitMs + nowMs).sort((a, b) => a - b);
      // One that has begun already counts from when it was answered, which on a busy machine is later.
      for (const [index, slot] of at.slice(1).entries()) expect(slot - (at[index] ?? 0)).toBeGreaterThan(5);
      expect((at[99] ?? 0) - (at[0] ?? 0)).toBeGreaterThan(4_900);
      expect(reservations.every(({ replicas }) => replicas === 2)).toBe(true);
      for (const store of stores) await store.close();
    });

    it('never more than ten in a second together, and 85 percent used', async () => {
      const stores = [await open(), await open()];
      const times: number[] = [];
      const budgets = stores.map((reservations: ReservationStore) =>
        createRateLimiter({ perSecond: 10, plan: 'growth', reservations }),
      );
      const end = performance.now() + 4_000;
      const callers = budgets.flatMap((budget, n) =>
        Array.from({ length: 32 }, async () => {
          while (performance.now() < end) {
            await budget.acquire({ lane: 'interactive', caller: `c${n}`, deadline: Number.POSITIVE_INFINITY });
            times.push(performance.now());
          }
        }),
      );
      await setTimeout(4_000);
      for (const budget of budgets) budget.close();
      await Promise.allSettled(callers);
      for (const store of stores) await store.close();
      expect(densest(times, 1_000)).toBeLessThanOrEqual(10);
      expect(times.length).toBeGreaterThanOrEqual(34);
    });
  });
}

function never(): never {
  throw new Error('no such store');
}
