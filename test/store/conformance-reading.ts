import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ListPage, MessageFilter } from '../../src/store/message-store.ts';
import type { Store } from '../../src/store/open.ts';
import { insertPublished } from './broadcast-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { ids, insertFinished, insertSending, newMessage } from './samples.ts';

/** Pages, filters and counts. */
export function readingConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: lists and counts`, () => {
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      store = opened.store;
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    test('lists newest first, page by page, whatever the wall clock does', async () => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-03-01T00:00:00Z') });
      for (let n = 0; n < 7; n++) {
        vi.setSystemTime(Date.parse('2026-03-01T00:00:00Z') + (n % 2 === 0 ? n : -n) * 86_400_000);
        await store.insert(newMessage(`s${n}`));
      }
      await store.insert(newMessage('other', { caller: 'shop' }));
      const pages: string[][] = [];
      let cursor: string | undefined;
      do {
        const page = await store.list('crm', {}, cursor === undefined ? { limit: 3 } : { limit: 3, cursor });
        pages.push(ids(page.messages));
        cursor = page.next;
      } while (cursor !== undefined);
      expect(pages).toEqual([['s6', 's5', 's4'], ['s3', 's2', 's1'], ['s0']]);
      expect(await store.list('bank', {}, { limit: 3 })).toEqual({ messages: [] });
      for (const bad of ['', 'x', 'MTI', 'czA', 'czEy=']) {
        await expect(store.list('crm', {}, { limit: 3, cursor: bad })).rejects.toThrow(RangeError);
      }
    });

    test('a cursor reveals nothing, and is valid only for the list that issued it', async () => {
      for (const id of ['a', 'b', 'c']) {
        await store.insert(newMessage(id));
        await store.insert(newMessage(`${id} of shop`, { caller: 'shop' }));
        await insertPublished(store, `${id} of many`, 1);
      }
      const lists = {
        own: (page: ListPage) => store.list('crm', {}, page),
        others: (page: ListPage) => store.list('shop', {}, page),
        broadcasts: (page: ListPage) => store.listBroadcasts('crm', page),
        all: (page: ListPage) => store.listMessagesOf(['crm', 'shop'], {}, page),
        none: (page: ListPage) => store.listMessagesOf([], {}, page),
        allBroadcasts: (page: ListPage) => store.listAllBroadcasts({}, page),
      };
      const foreign = {
        own: ['others', 'broadcasts', 'all', 'none', 'allBroadcasts'],
        broadcasts: ['own', 'allBroadcasts'],
        all: ['own'],
      } as const;
      for (const name of ['own', 'broadcasts', 'all'] as const) {
        const cursors = await Promise.all([1, 1, 2].map(async (limit) => String((await lists[name]({ limit })).next)));
        expect(new Set(cursors).size).toBe(3);
        for (const each of cursors) expect(each).toMatch(/^[\w-]{48}$/);
        const [cursor = ''] = cursors;
        expect(await lists[name]({ limit: 1, cursor })).toHaveProperty('next');
        for (const other of foreign[name]) {
          await expect(lists[other]({ limit: 1, cursor }), other).rejects.toThrow(RangeError);
        }
        const forged = Array.from(
          cursor,
          (char, at) => `${cursor.slice(0, at)}${char === 'A' ? 'B' : 'A'}${cursor.slice(at + 1)}`,
        );
        const plain = ['s1', 's5', '5'].map((text) => Buffer.from(text).toString('base64url'));
        for (const bad of [...forged, ...plain, cursor.slice(1), `${cursor}=`, ` ${cursor}`, 'A'.repeat(48)]) {
          await expect(lists[name]({ limit: 1, cursor: bad }), bad).rejects.toThrow(RangeError);
        }
      }
    });

    test('lists by recipient, status and time', async () => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-03-01T00:00:00Z') });
      await insertFinished(store, newMessage('a', { to: '491' }), 'accepted');
      await insertFinished(store, newMessage('b'), 'unknown');
      vi.setSystemTime(Date.parse('2026-03-02T00:00:00Z'));
      await store.insert(newMessage('c', { to: '491' }));
      const listed = async (filter: MessageFilter): Promise<string[]> =>
        ids((await store.list('crm', filter, { limit: 10 })).messages);
      expect(await listed({ to: '491' })).toEqual(['c', 'a']);
      expect(await listed({ status: 'accepted' })).toEqual(['a']);
      expect(await listed({ status: 'unknown' })).toEqual(['b']);
      expect(await listed({ broadcastId: 'x' })).toEqual([]);
      expect(await listed({ since: '2026-03-02T00:00:00.000Z' })).toEqual(['c']);
      expect(await listed({ since: '2026-03-02T00:00:00.001Z' })).toEqual([]);
      expect(await listed({ to: '491', status: 'queued', since: '2026-03-01T12:00:00Z' })).toEqual(['c']);
      await expect(listed({ since: 'yesterday' })).rejects.toThrow(RangeError);
    });

    test('lists single messages since a time, and recipients by the time of their broadcast', async () => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-03-01T00:00:00Z') });
      const day = (n: number) => vi.setSystemTime(Date.parse(`2026-03-0${n}T00:00:00Z`));
      const since = async (time: string, more: MessageFilter = {}): Promise<string[]> =>
        ids((await store.list('crm', { ...more, since: `2026-03-${time}T00:00:00Z` }, { limit: 10 })).messages);
      await store.insert(newMessage('old'));
      await insertPublished(store, 'early', 2);
      day(2);
      await insertPublished(store, 'late', 2);
      await store.claimBatch('late', 1);
      day(3);
      // Recorded after the messages of the third day, with a clock on the second day.
      await store.insert(newMessage('new'));
      day(2);
      await store.insert(newMessage('behind'));
      const all = ['behind', 'new', 'late-1', 'late-0', 'early-1', 'early-0', 'old'];
      expect(await since('01')).toEqual(all);
      expect(await since('02')).toEqual(all.slice(0, 4));
      expect(await since('03')).toEqual(['new']);
      expect(await since('04')).toEqual([]);
      expect(await since('02', { broadcastId: 'late' })).toEqual(['late-1', 'late-0']);
      expect(await since('02', { broadcastId: 'early' })).toEqual([]);
      expect(await since('02', { status: 'sending' })).toEqual(['late-0']);
      expect(await since('02', { to: '49301' })).toEqual(['late-1']);
      expect((await store.list('shop', { broadcastId: 'late' }, { limit: 10 })).messages).toEqual([]);
    });

    test('counts every state', async () => {
      await store.insert(newMessage('q'));
      await insertSending(store, newMessage('s'));
      for (const status of ['accepted', 'rejected', 'not_sent', 'unknown'] as const) {
        await insertFinished(store, newMessage(status, { caller: status }), status);
      }
      await store.insert(newMessage('c'));
      await store.complete('c', { status: 'cancelled', outcome: null });
      const one = {
        queued: 1,
        sending: 1,
        accepted: 1,
        rejected: 1,
        not_sent: 1,
        unknown: 1,
        cancelled: 1,
        scheduled: 0,
      };
      expect(await store.counts()).toEqual(one);
      await store.markReconciled('unknown', { outcome: null });
      expect(await store.counts()).toEqual({ ...one, accepted: 2, unknown: 0 });
    });
  });
}
