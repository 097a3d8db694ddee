import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { insertRecording, newBroadcast, recipients } from './broadcast-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { HOUR_MS, insertFinished, newMessage, newStream, withKey } from './samples.ts';

const noon = Date.parse('2026-11-30T12:00:00Z');

/** Quotas by hour and day, across processes and restarts. */
export function quotaConformance(name: string, createFixture: () => Promise<StoreFixture>, durable: boolean): void {
  describe(`${name}: quotas`, () => {
    let fixture: StoreFixture;
    let store: Store;
    beforeEach(() => {
      // Fakes only the wall clock; timers and the ageing clock continue.
      vi.useFakeTimers({ toFake: ['Date'], now: noon });
    });
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    const limited = (id: string, quota: { perHour?: number; perDay?: number }, more = {}) =>
      store.insert(newMessage(id, { quota, ...more }));
    const left = async (limits: { perHour?: number; perDay?: number }) => (await store.quotaLeft('crm', limits)).left;

    test('records as many as fit in an hour, and refuses the next one with the time that is left of it', async () => {
      vi.setSystemTime(noon + 20 * 60_000);
      for (const id of ['a', 'b', 'c']) expect(await limited(id, { perHour: 3 })).toHaveProperty('inserted');
      await expect(limited('d', { perHour: 3 })).rejects.toMatchObject({
        name: 'QuotaExceededError',
        requested: 1,
        state: { left: 0, window: 'hour', limit: 3, endsInMs: 40 * 60_000 },
      });
      expect(await store.find('crm', 'd')).toBeUndefined();
      expect(await store.insert(newMessage('e', { caller: 'shop', quota: { perHour: 3 } }))).toHaveProperty('inserted');
      expect(await store.insert(newMessage('f'))).toHaveProperty('inserted');
      vi.setSystemTime(noon + HOUR_MS);
      expect(await limited('d', { perHour: 3 })).toHaveProperty('inserted');
    });

    test('a day is a UTC day, and its limit applies beside that of the hour', async () => {
      const quota = { perHour: 2, perDay: 3 };
      await limited('a', quota);
      await limited('b', quota);
      vi.setSystemTime(noon + HOUR_MS);
      await limited('c', quota);
      vi.setSystemTime(noon + 2 * HOUR_MS);
      await expect(limited('d', quota)).rejects.toMatchObject({
        state: { window: 'day', limit: 3, endsInMs: 10 * HOUR_MS },
      });
      vi.setSystemTime(noon + 12 * HOUR_MS);
      expect(await limited('d', quota)).toHaveProperty('inserted');
    });

    test('a hundred concurrent inserts share what is left, to the last message', async () => {
      const racing = Array.from({ length: 100 }, (_, n) => limited(`r${n}`, { perHour: 7 }));
      const answers = await Promise.allSettled(racing);
      expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(7);
      expect((await store.counts()).queued).toBe(7);
      expect(await left({ perHour: 7 })).toBe(0);
    });

    test('what is not recorded is not counted: a repeated key, a stream that was no valid request', async () => {
      const quota = { perHour: 10 };
      await limited('a', quota, withKey('k'));
      expect(await limited('b', quota, withKey('k'))).toMatchObject({ existing: { id: 'a' } });
      expect(await left(quota)).toBe(9);
      await store.insert({ ...newStream('s'), quota });
      expect(await left(quota)).toBe(8);
      await store.deleteUnsent('s');
      expect(await left(quota)).toBe(9);
      await store.deleteUnsent('s');
      await insertFinished(store, newMessage('x', { quota }), 'rejected');
      await store.deleteUnsent('x');
      expect(await left(quota)).toBe(8);
    });

    test('a repeated key is found even if the quota is used up, and a resend counts as one more', async () => {
      const quota = { perHour: 1 };
      await insertFinished(store, newMessage('a', { quota, ...withKey('k') }), 'unknown');
      expect(await limited('b', quota, withKey('k'))).toMatchObject({ existing: { id: 'a' } });
      await expect(limited('c', quota, { resendOf: 'a' })).rejects.toMatchObject({ name: 'QuotaExceededError' });
      expect(await limited('c', { perHour: 2 }, { resendOf: 'a' })).toHaveProperty('inserted');
    });

    test('a broadcast is charged for all of its recipients when it is published, or not at all', async () => {
      const limits = { perHour: 10 };
      const release = async (id: string, n: number) => {
        await insertRecording(store, id, n);
        return store.publishBroadcast(id, 'f', { quota: { caller: 'crm', n, limits } });
      };
      expect(await release('a', 6)).toMatchObject({ status: 'running', counts: { queued: 6 } });
      await expect(release('b', 5)).rejects.toMatchObject({
        name: 'QuotaExceededError',
        requested: 5,
        state: { left: 4 },
      });
      expect(await store.findBroadcast('crm', 'b')).toBeUndefined();
      await store.discardBroadcast('b');
      expect(await left(limits)).toBe(4);
      expect(await release('c', 4)).toMatchObject({ status: 'running' });
      await expect(limited('d', limits)).rejects.toMatchObject({ name: 'QuotaExceededError' });
    });

    test('a broadcast that is not open any more costs nothing', async () => {
      await store.openBroadcast(newBroadcast('a'));
      await store.addRecipients('a', recipients('a', 0, 3));
      await store.discardBroadcast('a');
      const quota = { caller: 'crm', n: 3, limits: { perHour: 10 } };
      expect(await store.publishBroadcast('a', 'f', { quota })).toBeUndefined();
      expect(await left(quota.limits)).toBe(10);
    });

    test('rows of one record are charged by themselves', async () => {
      await store.spendQuota('crm', 4, { perDay: 5 });
      await expect(store.spendQuota('crm', 2, { perDay: 5 })).rejects.toMatchObject({
        requested: 2,
        state: { left: 1 },
      });
      await store.spendQuota('crm', 1, { perDay: 5 });
    });

    test('a clock that is an hour behind does not restart the hour', async () => {
      vi.setSystemTime(noon + HOUR_MS);
      await limited('a', { perHour: 1 });
      vi.setSystemTime(noon + HOUR_MS - 1);
      await expect(limited('b', { perHour: 1 })).rejects.toMatchObject({ name: 'QuotaExceededError' });
    });

    if (durable) {
      test('is kept over a restart', async () => {
        await limited('a', { perHour: 1 });
        await store.close();
        store = await fixture.open();
        await expect(limited('b', { perHour: 1 })).rejects.toMatchObject({ name: 'QuotaExceededError' });
      });
    }
  });
}
