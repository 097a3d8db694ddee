import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { insertPublished, insertRecording } from './broadcast-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { insertFinished, newMessage } from './samples.ts';

const lost = { status: 'unknown', outcome: {}, failure: { code: 'unknown', detail: 'no answer' } } as const;

/** Single records of any caller, as operators read them, and today's counts of callers. */
export function operatorMessageConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: records of any caller`, () => {
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      store = opened.store;
    });

    /** Inserts messages that shared one call whose answer was lost. */
    const lose = async (call: string, size: number, more = {}) => {
      const all = Array.from({ length: size }, (_, place) => ({ id: `${call}${place}`, place }));
      for (const { id } of all) {
        await store.insert(newMessage(id, { template: 'welcome', ...more }));
        await store.claim(id, 1);
      }
      await store.completeAll(all.map(({ id, place }) => ({ id, ...lost, lostCall: { id: `${call}0`, place } })));
    };
    const groups = async (limit: number) => {
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.listUnknown(cursor === undefined ? { limit } : { limit, cursor });
        expect(page.groups.length).toBeLessThanOrEqual(limit);
        found.push(...page.groups.map((each) => `${each.sampleId} ${each.count} ${each.found} ${each.looked}`));
        cursor = page.next;
      } while (cursor !== undefined);
      return found;
    };

    test('are found with their history: requeued attempts, and replaced outcomes', async () => {
      await store.insert(newMessage('a', { caller: 'shop' }));
      await store.claim('a', 1);
      await store.requeue('a', 1);
      const sentAt = '2026-11-30T10:00:00.000Z';
      const why = { code: 'not_sent', detail: 'not \0 reached', sentAt };
      await store.noteRequeued([
        { id: 'a', attempt: 1, ...why },
        { id: 'a', attempt: 21, ...why },
        { id: 'none', attempt: 1, ...why },
      ]);
      await store.noteRequeued([{ id: 'a', attempt: 1, ...why, code: 'other' }]);
      await store.noteRequeued([]);
      await store.claim('a', 2);
      await store.complete('a', lost);
      await store.recordLookups(['a'], 'done');
      await store.markReconciled('a', { outcome: {} });
      const found = await store.findAnyMessage('a');
      expect(found).toMatchObject({
        message: { id: 'a', caller: 'shop', status: 'accepted', attempts: 2 },
        past: expect.arrayContaining([
          {
            event: 'requeued',
            attempt: 1,
            at: expect.any(Number),
            sentAt: Date.parse(sentAt),
            code: 'not_sent',
            detail: 'not \uFFFD reached',
          },
          {
            event: 'unknown',
            attempt: 2,
            at: expect.any(Number),
            sentAt: expect.any(Number),
            code: 'unknown',
            detail: 'no answer',
          },
        ]),
      });
      expect(found?.past).toHaveLength(2);
      expect(Math.abs((found?.lookedAt ?? 0) - Date.now())).toBeLessThan(60_000);
      expect(await store.findAnyMessage('none')).toBeUndefined();
      expect(await store.purge(100)).toBe(0);
    });

    test('are found with their resend, and in a broadcast only once that is published', async () => {
      await insertFinished(store, newMessage('a'), 'unknown');
      await store.insert(newMessage('b', { resendOf: 'a' }));
      expect(await store.findAnyMessage('a')).toMatchObject({
        resend: { id: 'b', createdAt: expect.any(Number) },
        past: [],
      });
      await insertPublished(store, 'p', 2, { caller: 'shop' });
      await insertRecording(store, 'r', 2);
      expect(await store.findAnyMessage('p-0')).toMatchObject({ message: { caller: 'shop', status: 'queued' } });
      expect(await store.findAnyMessage('r-0')).toBeUndefined();
      expect(await store.findAnyBroadcast('p')).toMatchObject({ caller: 'shop' });
      expect(await store.findAnyBroadcast('r')).toBeUndefined();
      expect((await store.findBroadcasts(['p', 'r', 'none'])).map(({ id }) => id)).toEqual(['p']);
      expect(await store.findBroadcasts([])).toEqual([]);
    });

    test('that are broadcasts are open until they have ended, newest first', async () => {
      for (const id of ['a', 'b', 'c', 'd']) await insertPublished(store, id, 1);
      await insertRecording(store, 'r', 1);
      await store.changeBroadcastStatus('crm', 'b', { to: 'paused' });
      await store.changeBroadcastStatus('crm', 'c', { to: 'cancelled' });
      const open = async (limit: number) => (await store.listOpenBroadcasts(limit)).map(({ id }) => id);
      expect(await open(9)).toEqual(['d', 'c', 'b', 'a']);
      while ((await store.sweepBroadcasts(100)) > 0);
      expect(await open(9)).toEqual(['d', 'b', 'a']);
      expect(await open(2)).toEqual(['d', 'b']);
    });

    test('whose outcome is unknown are grouped by the call that was lost, each group on one page', async () => {
      expect(await groups(3)).toEqual([]);
      await lose('a', 3);
      await insertFinished(store, newMessage('x', { caller: 'shop' }), 'unknown');
      await lose('b', 4);
      // Newer than another group, but from the same call.
      await insertFinished(store, newMessage('y'), 'unknown');
      await store.markReconciled('a2', { outcome: {} });
      await store.recordLookups(['a0', 'a1', 'y'], 'done');
      await store.insert(newMessage('queued'));
      const all = ['y 1 0 1', 'b3 4 0 0', 'x 1 0 0', 'a1 2 1 2'];
      for (const limit of [1, 2, 3, 50]) expect(await groups(limit)).toEqual(all);
      const [, newest] = (await store.listUnknown({ limit: 2 })).groups;
      expect(newest).toEqual({
        caller: 'crm',
        connectionId: 'c1',
        lostCall: 'b0',
        template: 'welcome',
        sentAt: expect.any(Number),
        count: 4,
        found: 0,
        looked: 0,
        resent: 0,
        nextLookAt: expect.any(Number),
        sampleId: 'b3',
      });
      expect(Math.abs((newest?.nextLookAt ?? 0) - Date.now() - 60_000)).toBeLessThan(30_000);
      await expect(store.listUnknown({ limit: 1, cursor: 'bad' })).rejects.toThrow(RangeError);
    });

    test('of a call are listed alone, and not among the unknown once all of them were sent again', async () => {
      await lose('a', 2);
      await lose('b', 2, { caller: 'shop' });
      await insertFinished(store, newMessage('x', { notAfter: '2100-01-01T00:00:00.000Z' }), 'unknown');
      const listed = async (lostCall: string, more = {}) =>
        (await store.listMessagesOf(['crm', 'shop'], { lostCall, ...more }, { limit: 9 })).messages.map(({ id }) => id);
      expect(await listed('a0')).toEqual(['a1', 'a0']);
      expect(await listed('b0', { status: 'unknown' })).toEqual(['b1', 'b0']);
      expect(await listed('b0', { status: 'accepted' })).toEqual([]);
      expect(await listed('none')).toEqual([]);
      const resent = async () =>
        (await store.listUnknown({ limit: 9 })).groups.map((each) => `${each.sampleId} ${each.count} ${each.resent}`);
      expect((await store.listUnknown({ limit: 1 })).groups).toMatchObject([{ notAfter: Date.UTC(2100, 0) }]);
      await store.insert(newMessage('again-a1', { resendOf: 'a1' }));
      expect(await resent()).toEqual(['x 1 0', 'b1 2 0', 'a1 2 1']);
      await store.insert(newMessage('again-a0', { resendOf: 'a0' }));
      await store.insert(newMessage('again-x', { resendOf: 'x' }));
      expect(await resent()).toEqual(['b1 2 0']);
    });

    test('of calls with interleaved messages stay in one group per call', async () => {
      const all = ['a0', 'b0', 'a1', 'b1', 'a2', 'b2'];
      for (const id of all) {
        await store.insert(newMessage(id));
        await store.claim(id, 1);
      }
      await store.completeAll(all.map((id) => ({ id, ...lost, lostCall: { id: `${id[0]}0`, place: Number(id[1]) } })));
      for (const limit of [1, 2]) expect(await groups(limit)).toEqual(['b2 3 0 0', 'a2 3 0 0']);
    });

    test('are counted by caller and day, and quotas show what is left in both windows', async () => {
      expect(await store.callerCountsToday()).toEqual([]);
      await store.addCallerCounts([
        { caller: 'crm', name: 'accepted', n: 2 },
        { caller: 'shop', name: 'refused429', n: 1 },
      ]);
      await store.addCallerCounts([{ caller: 'crm', name: 'accepted', n: 3 }]);
      await store.addCallerCounts([]);
      const counts = await store.callerCountsToday();
      expect(counts.toSorted((a, b) => a.caller.localeCompare(b.caller))).toEqual([
        { caller: 'crm', name: 'accepted', n: 5 },
        { caller: 'shop', name: 'refused429', n: 1 },
      ]);
      await store.insert(newMessage('a', { quota: { perHour: 5, perDay: 9 } }));
      const limits = new Map([
        ['crm', { perHour: 5, perDay: 9 }],
        ['shop', { perDay: 7 }],
      ]);
      expect(await store.quotasLeft(limits)).toEqual(
        new Map([
          ['crm', { hour: 4, day: 8 }],
          ['shop', { day: 7 }],
        ]),
      );
      expect(await store.quotasLeft(new Map())).toEqual(new Map());
    });
  });
}
