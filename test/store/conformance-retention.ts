import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import {
  DAY_MS,
  HOUR_MS,
  ids,
  insertFinished,
  insertSending,
  MINUTE_MS,
  mustFind,
  newMessage,
  ROUTE,
  withKey,
} from './samples.ts';

/** Ageing of records: lookups of unknown ones, release of keys, and deletion. */
export function retentionConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: retention`, () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    test('returns an unknown message for look-up after 1, 5, 15 and 60 minutes, once each', async () => {
      await insertFinished(store, newMessage('a', { kind: 'template' }), 'unknown');
      await insertFinished(store, newMessage('b'), 'accepted');
      for (const [n, minutes] of [1, 4, 10, 45].entries()) {
        await fixture.advance(minutes * MINUTE_MS - 20_000);
        expect(await store.takeDueLookups(10)).toEqual([]);
        await fixture.advance(20_000);
        const due = await Promise.all([store.takeDueLookups(10), store.takeDueLookups(10)]);
        expect(ids(due.flat())).toEqual(['a']);
        expect(due.flat()[0]).toMatchObject({ lookup: n + 1, content: { text: 'a' }, sentAt: expect.any(String) });
      }
      await fixture.advance(30 * DAY_MS);
      expect(await store.takeDueLookups(10)).toEqual([]);
    });

    test('returns at most the limit, and no resolved message', async () => {
      for (const id of ['a', 'b', 'c']) await insertFinished(store, newMessage(id), 'unknown');
      await store.markReconciled('b', { outcome: null });
      await fixture.advance(2 * MINUTE_MS);
      const first = ids(await store.takeDueLookups(1));
      const second = ids(await store.takeDueLookups(1));
      expect([...first, ...second].sort()).toEqual(['a', 'c']);
      expect(await store.takeDueLookups(1)).toEqual([]);
    });

    test('releases a key after its retention, and that of an unknown message after its longer one', async () => {
      await insertFinished(store, newMessage('a', withKey('a')), 'not_sent');
      await insertFinished(store, newMessage('u', withKey('u')), 'unknown');
      await store.insert(newMessage('q', withKey('q')));
      await insertSending(store, newMessage('s', withKey('s')));
      await fixture.advance(71 * HOUR_MS);
      expect(await store.purge(10)).toBe(0);
      await fixture.advance(HOUR_MS);
      expect(await store.purge(10)).toBe(1);
      expect(await store.findByKey('crm', ROUTE, 'a')).toBeUndefined();
      const freed = await mustFind(store, 'a');
      expect(freed).not.toHaveProperty('idempotency');
      expect(freed).not.toHaveProperty('content');
      expect(await store.insert(newMessage('b', withKey('a')))).toHaveProperty('inserted');
      expect(await store.findByKey('crm', ROUTE, 'u')).toMatchObject({ id: 'u', content: { text: 'u' } });
      await fixture.advance(27 * DAY_MS);
      expect(await store.purge(10)).toBe(1);
      expect(await store.findByKey('crm', ROUTE, 'u')).toBeUndefined();
      expect((await mustFind(store, 'u')).status).toBe('unknown');
      for (const open of ['q', 's']) expect(await store.findByKey('crm', ROUTE, open)).toMatchObject({ id: open });
    });

    test('erases a fingerprint an hour after the end, that of a message with a key together with the key', async () => {
      const ends = ['accepted', 'rejected', 'not_sent', 'unknown'] as const;
      for (const status of ends) await insertFinished(store, newMessage(status, { fingerprint: 'f' }), status);
      await insertFinished(store, newMessage('keyed', withKey('k')), 'accepted');
      await insertSending(store, newMessage('open', { fingerprint: 'f' }));
      const known = async () => {
        const all = (await store.list('crm', {}, { limit: 10 })).messages;
        return ids(all.filter(({ contentMac }) => contentMac !== undefined));
      };
      await fixture.advance(HOUR_MS - MINUTE_MS);
      expect(await store.purge(10)).toBe(0);
      expect(await known()).toHaveLength(6);
      await fixture.advance(MINUTE_MS);
      expect([await store.purge(3), await store.purge(3), await store.purge(3)]).toEqual([3, 1, 0]);
      expect(await known()).toEqual(['open', 'keyed']);
      expect(store.sameContent(await mustFind(store, 'accepted'), 'f')).toBeUndefined();
      expect(store.sameContent(await mustFind(store, 'keyed'), 'f1')).toBe(true);
      await fixture.advance(71 * HOUR_MS);
      while ((await store.purge(10)) > 0);
      expect(await known()).toEqual(['open']);
    });

    test('restarts the retention after a late answer', async () => {
      await insertFinished(store, newMessage('u', withKey('u')), 'unknown');
      await fixture.advance(29 * DAY_MS);
      await store.markReconciled('u', { outcome: null });
      await fixture.advance(2 * DAY_MS);
      expect(await store.purge(10)).toBe(0);
      await fixture.advance(DAY_MS);
      expect(await store.purge(10)).toBe(1);
    });

    test('deletes records after their retention, never an open one', async () => {
      for (const status of ['accepted', 'rejected', 'not_sent', 'unknown'] as const) {
        await insertFinished(store, newMessage(status, withKey(status)), status);
      }
      await store.insert(newMessage('q', withKey('q')));
      await fixture.advance(89 * DAY_MS);
      expect(await store.purge(10)).toBe(4);
      expect(await store.purge(10)).toBe(0);
      await fixture.advance(DAY_MS);
      expect(await store.purge(10)).toBe(4);
      expect(ids((await store.list('crm', {}, { limit: 10 })).messages)).toEqual(['q']);
      expect(await store.counts()).toMatchObject({ queued: 1, accepted: 0, unknown: 0 });
    });

    test('purges in batches', async () => {
      for (let n = 0; n < 7; n++) await insertFinished(store, newMessage(`s${n}`, withKey(`k${n}`)), 'accepted');
      await fixture.advance(4 * DAY_MS);
      expect([await store.purge(3), await store.purge(3), await store.purge(3), await store.purge(3)]).toEqual([
        3, 3, 1, 0,
      ]);
    });

    test.each([2 * DAY_MS, -2 * DAY_MS])('a wall clock that changes by %i ms expires nothing', async (step) => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
      await insertFinished(store, newMessage('a', withKey('a')), 'accepted');
      await insertFinished(store, newMessage('u'), 'unknown');
      await fixture.advance(71 * HOUR_MS);
      expect(ids(await store.takeDueLookups(1))).toEqual(['u']);
      vi.setSystemTime(Date.now() + step);
      expect(await store.purge(10)).toBe(0);
      await insertFinished(store, newMessage('b', withKey('b')), 'accepted');
      await insertFinished(store, newMessage('v'), 'unknown');
      vi.setSystemTime(Date.now() - step);
      await fixture.advance(30_000);
      expect(ids(await store.takeDueLookups(10))).not.toContain('v');
      await fixture.advance(HOUR_MS);
      expect(ids(await store.takeDueLookups(10))).toContain('v');
      expect(await store.purge(10)).toBe(1);
      expect(await store.findByKey('crm', ROUTE, 'b')).toMatchObject({ id: 'b' });
    });
  });
}
