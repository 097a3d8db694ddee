import { describe, expect, test, vi } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { insertPublished, newBroadcast, recipients } from './broadcast-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { HOUR_MS, ids, insertFinished, newMessage, OUTCOME } from './samples.ts';

/** Reports, resends and the pace of broadcasts. */
export function campaignConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: campaigns`, () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });

    test('reports each recipient once, in the order of recording, even if recipients change meanwhile', async () => {
      await insertPublished(store, 'other', 3);
      await store.openBroadcast(newBroadcast('b'));
      const named = recipients('b', 0, 7).map((each, n) => ({ ...each, reference: `order ${n}` }));
      await store.addRecipients('b', named);
      await store.publishBroadcast('b', 'print');
      const seen: string[] = [];
      let after: number | undefined = 0;
      while (after !== undefined) {
        const page: Awaited<ReturnType<Store['listRecipients']>> = await store.listRecipients('b', { after, limit: 2 });
        seen.push(...page.recipients.map(({ id, to, status }) => `${id} ${to} ${status}`));
        after = page.next;
        // Changes recipients that were read already, and some that were not.
        for (const { id, attempts } of await store.claimBatch('b', 3)) {
          if (id === 'b-3' && attempts === 1) await store.requeue(id, 1);
          else await store.complete(id, { status: 'accepted', outcome: OUTCOME });
        }
      }
      const given = recipients('b', 0, 7).map(({ id, to }) => `${id} ${to}`);
      expect(seen.map((each) => each.replace(/ \w+$/, ''))).toEqual(given);
      expect(seen.map((each) => each.split(' ')[2])).toEqual([
        ...['queued', 'queued', 'accepted', 'queued', 'accepted', 'accepted', 'accepted'],
      ]);
      expect(await store.listRecipients('b', { after: 0, limit: 1 })).toEqual({
        recipients: [
          {
            id: 'b-0',
            to: '49300',
            reference: 'order 0',
            status: 'accepted',
            sentAt: expect.stringMatching(/Z$/),
            updatedAt: expect.stringMatching(/Z$/),
          },
        ],
        next: expect.any(Number),
      });
      await store.changeBroadcastStatus('crm', 'other', { to: 'cancelled' });
      const { recipients: stopped } = await store.listRecipients('other', { after: 0, limit: 9 });
      expect(stopped.map(({ status }) => status)).toEqual(['cancelled', 'cancelled', 'cancelled']);
      expect(await store.listRecipients('nope', { after: 0, limit: 9 })).toEqual({ recipients: [] });
    });

    test('counts recipients that opted out by the last message that WATI answered', async () => {
      const outcomes = ['opted-out', 'recipient', 'opted-out', undefined];
      await insertPublished(store, 'b', 5);
      for (const { id } of await store.claimBatch('b', 4)) {
        const code = outcomes[Number(id.slice(2))];
        const failure = { code: String(code), detail: 'd' };
        await store.complete(id, {
          ...(code === undefined ? { status: 'accepted' } : { status: 'rejected', failure }),
          outcome: OUTCOME,
        });
      }
      const numbers = ['49300', '49301', '49302', '49303', '49304', '49399'];
      expect(await store.countOptedOut('crm', numbers)).toBe(2);
      expect(await store.countOptedOut('crm', ['49301', '49302'])).toBe(1);
      expect(await store.countOptedOut('shop', numbers)).toBe(0);
      expect(await store.countOptedOut('crm', [])).toBe(0);
      // An accepted message means that the recipient has opted in again.
      await insertFinished(store, newMessage('later', { to: '49300' }), 'accepted');
      await insertFinished(store, newMessage('unanswered', { to: '49302' }), 'unknown');
      expect(await store.countOptedOut('crm', numbers)).toBe(1);
    });

    test('keeps the reference and the pace of a broadcast, and moves updatedAt with its counts', async () => {
      const terms = { reference: 'autumn', perMinute: 600 };
      await insertPublished(store, 'b', 2, terms);
      const before = await store.findBroadcast('crm', 'b');
      expect(before).toMatchObject(terms);
      await vi.waitFor(() => expect(new Date().toISOString() > String(before?.updatedAt)).toBe(true));
      const [claimed] = await store.claimBatch('b', 1);
      const after = await store.findBroadcast('crm', 'b');
      expect(after?.updatedAt).toBe(claimed?.updatedAt);
      expect((await store.listBroadcasts('crm', { limit: 1 })).broadcasts).toEqual([after]);
    });

    test('keeps a broadcast to its own pace by the clock of the store, and waits for nothing without one', async () => {
      await insertPublished(store, 'b', 2, { perMinute: 60 });
      await insertPublished(store, 'free', 2);
      expect(await store.listRunningBroadcasts(9)).toMatchObject([{ id: 'b', perMinute: 60 }, { id: 'free' }]);
      expect(await store.takePace('free', 50)).toBe(0);
      expect(await store.takePace('nope', 50)).toBe(0);
      // Of several concurrent requests, one succeeds.
      const asked = await Promise.all([1, 2, 3].map(() => store.takePace('b', 50)));
      expect(asked.filter((waitMs) => waitMs === 0)).toHaveLength(1);
      for (const waitMs of asked) expect(waitMs).toBeLessThanOrEqual(50_000);
      await fixture.advance(20_000);
      expect(await store.takePace('b', 50)).toBeGreaterThan(0);
      await fixture.advance(30_100);
      expect(await store.takePace('b', 50)).toBe(0);
      expect(await store.takePace('b', 50)).toBeGreaterThan(20_000);
      await store.changeBroadcastStatus('crm', 'b', { to: 'paused' });
      expect(await store.takePace('b', 50)).toBe(0);
    });

    test('lists recipients that can be resent, and adds each of them once', async () => {
      await insertPublished(store, 'b', 6);
      const ends = ['rejected', 'not_sent', 'unknown', 'rejected', 'accepted'] as const;
      for (const [n, { id }] of (await store.claimBatch('b', 5)).entries()) {
        await store.complete(id, { status: ends[n] ?? 'accepted', outcome: OUTCOME });
      }
      const listed = async (status: 'not_sent' | 'rejected' | 'unknown', limit = 9) => {
        const { messages, next } = await store.listResendable('b', status, { after: 0, limit });
        return { ids: ids(messages), hasNext: next !== undefined };
      };
      expect(await listed('rejected')).toEqual({ ids: ['b-0', 'b-3'], hasNext: false });
      expect(await listed('rejected', 1)).toEqual({ ids: ['b-0'], hasNext: true });
      expect(await listed('not_sent')).toEqual({ ids: ['b-1'], hasNext: false });
      expect(await listed('unknown')).toEqual({ ids: ['b-2'], hasNext: false });
      const [first] = (await store.listResendable('b', 'rejected', { after: 0, limit: 1 })).messages;
      expect(first).toMatchObject({ id: 'b-0', content: { text: 'b-0' } });

      // Meanwhile one is resent alone, and another turns out to have arrived.
      await store.insert(newMessage('alone', { resendOf: 'b-1' }));
      expect(await listed('not_sent')).toEqual({ ids: [], hasNext: false });
      await store.markReconciled('b-2', { outcome: OUTCOME });
      const again = (n: number) => newMessage(`again-${n}`, { to: `4930${n}`, resendOf: `b-${n}` });
      await store.openBroadcast(newBroadcast('again', { resendOf: 'b' }));
      expect(await store.addResends('again', [0, 1, 2, 3].map(again))).toBe(2);
      expect(await store.addResends('again', [newMessage('twice', { resendOf: 'b-0' })])).toBe(0);
      expect(await store.addResends('b', [again(5)])).toBeUndefined();
      expect(await listed('rejected')).toEqual({ ids: [], hasNext: false });
      const published = await store.publishBroadcast('again', 'print', { leftOut: 2 });
      expect(published).toMatchObject({ total: 2, counts: { queued: 2 }, resendOf: 'b', leftOut: 2 });
      expect(await store.find('crm', 'again-3')).toMatchObject({ resendOf: 'b-3', status: 'queued' });
      // A resend of one of them alone returns the message that is its resend already.
      expect(await store.insert(newMessage('late', { resendOf: 'b-0' }))).toMatchObject({
        existing: { id: 'again-0', status: 'queued' },
      });
      // The content is erased together with the key.
      await fixture.advance(73 * HOUR_MS);
      while ((await store.purge(9)) > 0);
      await store.changeBroadcastStatus('crm', 'again', { to: 'cancelled' });
      expect(await store.find('crm', 'b-3')).not.toHaveProperty('content');
    });

    test('does not count a resend whose recording failed, before its rows are deleted', async () => {
      await insertPublished(store, 'b', 2);
      for (const { id } of await store.claimBatch('b', 2)) {
        await store.complete(id, { status: 'not_sent', outcome: OUTCOME });
      }
      const listed = async () => ids((await store.listResendable('b', 'not_sent', { after: 0, limit: 9 })).messages);
      const addAll = async (id: string) => {
        await store.openBroadcast(newBroadcast(id, { resendOf: 'b' }));
        return store.addResends(
          id,
          [0, 1].map((n) => newMessage(`${id}-${n}`, { resendOf: `b-${n}` })),
        );
      };
      expect(await addAll('failed')).toBe(2);
      expect(await listed()).toEqual([]);
      await store.discardBroadcast('failed');
      expect(await listed()).toEqual(['b-0', 'b-1']);
      expect(await store.findAnyMessage('b-0')).not.toHaveProperty('resend');
      // One of them alone, and then the rest in another broadcast.
      expect(await store.insert(newMessage('alone', { resendOf: 'b-0' }))).toMatchObject({ inserted: { id: 'alone' } });
      expect(await addAll('again')).toBe(1);
      expect(await store.publishBroadcast('again', 'print')).toMatchObject({ total: 1 });
    });

    test('shows a broadcast that was opened so while it is recording, and its recipients only once it is published', async () => {
      await store.openBroadcast(newBroadcast('b', { shownEarly: true }));
      await store.addRecipients('b', recipients('b', 0, 3));
      const shown = await store.findBroadcast('crm', 'b');
      expect(shown).toMatchObject({ status: 'recording', total: 3, counts: { queued: 3 } });
      expect((await store.listBroadcasts('crm', { limit: 9 })).broadcasts).toEqual([shown]);
      expect((await store.listAllBroadcasts({}, { limit: 9 })).broadcasts).toEqual([shown]);
      expect(await store.listOpenBroadcasts(9)).toEqual([shown]);
      expect((await store.listAllBroadcasts({ status: 'recording' }, { limit: 9 })).broadcasts).toEqual([shown]);
      expect((await store.list('crm', {}, { limit: 9 })).messages).toEqual([]);
      expect(await store.find('crm', 'b-0')).toBeUndefined();
      expect(await store.claimBatch('b', 9)).toEqual([]);
      expect(await store.changeBroadcastStatus('crm', 'b', { to: 'cancelled' })).toMatchObject({ status: 'recording' });
      await store.discardBroadcast('b');
      expect(await store.findBroadcast('crm', 'b')).toBeUndefined();
    });
  });
}
