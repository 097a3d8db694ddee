import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import {
  BROADCASTS,
  insertPublished,
  insertRecording,
  MAC,
  NONE,
  newBroadcast,
  recipients,
  sweepAll,
  TIME,
} from './broadcast-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { DAY_MS, HOUR_MS, ids, MINUTE_MS, newMessage, OUTCOME, recoverAndAdopt } from './samples.ts';

/** Returns the results of all operations that read sends. */
const everything = async (store: Store, broadcastId: string) => ({
  found: await store.find('crm', `${broadcastId}-0`),
  listed: ids((await store.list('crm', {}, { limit: 9 })).messages),
  queued: ids((await store.list('crm', { status: 'queued' }, { limit: 9 })).messages),
  cancelled: ids((await store.list('crm', { status: 'cancelled' }, { limit: 9 })).messages),
  ofNumber: ids((await store.list('crm', { to: '49300' }, { limit: 9 })).messages),
  ofBroadcast: ids((await store.list('crm', { broadcastId }, { limit: 9 })).messages),
  counts: await store.counts(),
  broadcast: await store.findBroadcast('crm', broadcastId),
  broadcasts: await store.listBroadcasts('crm', { limit: 9 }),
  running: await store.listRunningBroadcasts(9),
  claimed: await store.claimBatch(broadcastId, 9),
  steered: await store.changeBroadcastStatus('crm', broadcastId, { to: 'cancelled' }),
  begun: await store.claim(`${broadcastId}-0`, 1),
  settled: await store.complete(`${broadcastId}-0`, { status: 'cancelled', outcome: null }),
  forgotten: await store.deleteUnsent(`${broadcastId}-0`),
  recovered: await recoverAndAdopt(store, 9),
  due: await store.takeDueLookups(9),
  purged: await store.purge(9),
});

const NOTHING = {
  found: undefined,
  listed: [],
  queued: [],
  cancelled: [],
  ofNumber: [],
  ofBroadcast: [],
  counts: { ...NONE, scheduled: 0 },
  broadcast: undefined,
  broadcasts: { broadcasts: [] },
  running: [],
  claimed: [],
  steered: undefined,
  begun: false,
  settled: false,
  forgotten: false,
  recovered: { unknown: 0, adopted: [] },
  due: [],
  purged: 0,
};

/** Recording, reading and deletion of broadcasts. */
export function broadcastConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: broadcasts`, () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });

    test('keeps the channel of a broadcast and of its recipients', async () => {
      const through = { channel: '919999900001' };
      expect(await store.openBroadcast(newBroadcast('b', through))).toEqual({ opened: true });
      const named = recipients('b', 0, 2).map((each) => ({ ...each, ...through, channelNamed: true }));
      expect(await store.addRecipients('b', named)).toBe(true);
      expect(await store.publishBroadcast('b', 'print')).toMatchObject(through);
      expect(await store.listRunningBroadcasts(9)).toEqual([expect.objectContaining({ id: 'b', ...through })]);
      expect(await store.findBroadcast('crm', 'b')).toMatchObject(through);
      expect(await store.claimBatch('b', 1)).toEqual([expect.objectContaining({ id: 'b-0', ...through })]);
      expect(await store.requeue('b-0', 1)).toBe(true);
      expect(await store.claimBatch('b', 9)).toMatchObject([through, through]);
    });

    test('is invisible to every operation while it is recording', async () => {
      await insertRecording(store, 'b', 3);
      expect(await everything(store, 'b')).toEqual(NOTHING);
      expect(await store.findBroadcastByKey('crm', BROADCASTS, 'key of b')).toEqual({
        ...newBroadcast('b'),
        status: 'recording',
        total: 3,
        counts: { ...NONE, queued: 3 },
        createdAt: TIME,
        updatedAt: TIME,
      });
      expect(await store.sweepBroadcasts(9)).toBe(0);
    });

    test('once published, its recipients are queued messages of its caller', async () => {
      await insertRecording(store, 'b', 2);
      expect(await store.addRecipients('b', recipients('b', 2, 3))).toBe(true);
      const broadcast = await store.publishBroadcast('b', 'print');
      expect(broadcast).toEqual({
        ...newBroadcast('b'),
        status: 'running',
        contentMac: MAC,
        total: 3,
        counts: { ...NONE, queued: 3 },
        createdAt: TIME,
        updatedAt: TIME,
      });
      expect(await store.findBroadcast('crm', 'b')).toEqual(broadcast);
      expect(await store.findBroadcastByKey('crm', BROADCASTS, 'key of b')).toEqual(broadcast);
      expect(await store.find('crm', 'b-1')).toEqual({
        ...recipients('b', 1, 2)[0],
        broadcastId: 'b',
        status: 'queued',
        attempts: 0,
        createdAt: TIME,
        updatedAt: TIME,
      });
      expect(await store.counts()).toEqual({ ...NONE, scheduled: 0, queued: 3 });
      expect(await recoverAndAdopt(store, 9)).toEqual({ unknown: 0, adopted: [] });
      expect(await store.publishBroadcast('b', 'again')).toBeUndefined();
      expect(await store.addRecipients('b', recipients('b', 3, 4))).toBe(false);
      await store.discardBroadcast('b');
      expect((await store.findBroadcast('crm', 'b'))?.total).toBe(3);
    });

    test('lists recipients among other messages, newest first, page by page, with any filter', async () => {
      await store.insert(newMessage('first'));
      await insertPublished(store, 'b', 4);
      await insertRecording(store, 'hidden', 20);
      await store.insert(newMessage('last'));
      await insertPublished(store, 'shop', 2, { caller: 'shop' });
      const [claimed] = await store.claimBatch('b', 2);
      await store.complete(String(claimed?.id), { status: 'rejected', outcome: OUTCOME });
      const all = ['last', 'b-3', 'b-2', 'b-1', 'b-0', 'first'];
      for (const limit of [1, 2, 3, 6]) {
        const pages: string[] = [];
        for (let cursor: string | undefined; pages.length <= all.length; ) {
          const page = await store.list('crm', {}, cursor === undefined ? { limit } : { limit, cursor });
          pages.push(...ids(page.messages));
          cursor = page.next;
          if (cursor === undefined) break;
        }
        expect(pages).toEqual(all);
      }
      const since = '2020-01-01T00:00:00Z';
      const listed = async (filter: Parameters<Store['list']>[1]): Promise<string[]> => {
        const sends = (await store.list('crm', { since, ...filter }, { limit: 10 })).messages;
        for (const send of sends) if (filter.status !== undefined) expect(send.status).toBe(filter.status);
        return ids(sends);
      };
      expect(await listed({ status: 'queued' })).toEqual(['last', 'b-3', 'b-2', 'first']);
      expect(await listed({ status: 'sending' })).toEqual(['b-1']);
      expect(await listed({ status: 'rejected', broadcastId: 'b' })).toEqual(['b-0']);
      expect(await listed({ broadcastId: 'b' })).toEqual(['b-3', 'b-2', 'b-1', 'b-0']);
      expect(await listed({ broadcastId: 'b', status: 'queued' })).toEqual(['b-3', 'b-2']);
      expect(await listed({ broadcastId: 'b', to: '49303' })).toEqual(['b-3']);
      expect(await listed({ to: '49303' })).toEqual(['b-3']);
      expect(await listed({ to: '49303', status: 'queued' })).toEqual(['b-3']);
      expect(await listed({ to: '49303', status: 'accepted' })).toEqual([]);
      expect(await listed({ broadcastId: 'hidden' })).toEqual([]);
      expect(await listed({ broadcastId: 'shop' })).toEqual([]);
      await store.changeBroadcastStatus('crm', 'b', { to: 'cancelled' });
      expect(await listed({ status: 'cancelled' })).toEqual(['b-3', 'b-2']);
      expect(await listed({ status: 'queued' })).toEqual(['last', 'first']);
      expect(await listed({ to: '49303', status: 'cancelled' })).toEqual(['b-3']);
      expect((await store.find('crm', 'b-3'))?.status).toBe('cancelled');
    });

    test('leaves nothing once discarded, and its key is free at once', async () => {
      await insertRecording(store, 'b', 7);
      await store.discardBroadcast('b');
      expect(await store.findBroadcastByKey('crm', BROADCASTS, 'key of b')).toBeUndefined();
      expect(await everything(store, 'b')).toEqual(NOTHING);
      expect(await store.addRecipients('b', recipients('b', 7, 8))).toBe(false);
      expect(await store.publishBroadcast('b', 'print')).toBeUndefined();
      await insertRecording(store, 'c', 1, { idempotency: newBroadcast('b').idempotency });
      await store.discardBroadcast('c');
      expect(await store.sweepBroadcasts(5)).toBe(5);
      await sweepAll(store);
      await insertPublished(store, 'b', 7); // its id and those of its recipients can be used: they are gone
    });

    test('creates one of a hundred concurrent ones under one key, per caller and route', async () => {
      const racing = Array.from({ length: 100 }, (_, n) =>
        store.openBroadcast(newBroadcast(`r${n}`, { idempotency: { route: BROADCASTS, key: 'k' } })),
      );
      const answers = await Promise.all(racing);
      expect(answers.filter((answer) => 'opened' in answer)).toHaveLength(1);
      const shop = newBroadcast('shop', { caller: 'shop', idempotency: { route: BROADCASTS, key: 'k' } });
      expect(await store.openBroadcast(shop)).toEqual({ opened: true });
      const imported = newBroadcast('imported', { idempotency: { route: 'POST /v1/broadcasts/import', key: 'k' } });
      expect(await store.openBroadcast(imported)).toEqual({ opened: true });
      expect(await store.openBroadcast({ ...shop, id: 'other' })).toMatchObject({ existing: { id: 'shop', total: 0 } });
      await expect(store.openBroadcast(newBroadcast('shop'))).rejects.toMatchObject({ name: 'StoreError' });
    });

    test('records all of a batch or none, with any text, and nothing for another caller', async () => {
      await insertRecording(store, 'b', 2);
      await expect(store.addRecipients('b', recipients('b', 1, 4))).rejects.toMatchObject({ name: 'StoreError' });
      const content = { text: 'ñ 你好 \u{1F600} \u0000 "\\ \uD800', none: null };
      const odd = { ...newMessage('odd', { content, template: 'पता \uD800' }), idempotency: { route: 'r', key: 'k' } };
      expect(await store.addRecipients('b', [odd])).toBe(true);
      expect(await store.addRecipients('b', [])).toBe(true);
      expect(await store.addRecipients('nobody', recipients('n', 0, 1))).toBe(false);
      expect(await store.publishBroadcast('b', 'print')).toMatchObject({ total: 3, counts: { queued: 3 } });
      const [, , claimed] = await store.claimBatch('b', 9);
      expect(claimed).toMatchObject({ id: 'odd', content, template: 'पता \uFFFD', caller: 'crm', broadcastId: 'b' });
      expect(claimed).not.toHaveProperty('idempotency');
      await expect(store.insert(newMessage('x', { broadcastId: 'b' }))).rejects.toThrow(TypeError);
    });

    test('lists broadcasts newest first, page by page', async () => {
      for (const id of ['a', 'b', 'c', 'd']) await insertPublished(store, id, 2);
      await insertRecording(store, 'e', 1);
      await insertPublished(store, 'shop', 1, { caller: 'shop' });
      await store.claimBatch('c', 1);
      const first = await store.listBroadcasts('crm', { limit: 3 });
      expect(first.broadcasts.map(({ id }) => id)).toEqual(['d', 'c', 'b']);
      expect(first.broadcasts[1]).toEqual(await store.findBroadcast('crm', 'c'));
      const rest = await store.listBroadcasts('crm', { limit: 3, cursor: String(first.next) });
      expect([rest.broadcasts.map(({ id }) => id), rest.next]).toEqual([['a'], undefined]);
      await expect(store.listBroadcasts('crm', { limit: 3, cursor: 'x' })).rejects.toThrow(RangeError);
      expect(await store.findBroadcast('shop', 'a')).toBeUndefined();
      expect((await store.listRunningBroadcasts(2)).map(({ id }) => id)).toEqual(['a', 'b']);
    });

    test('releases its key after its retention, is deleted once nothing of it is left, and its counts add up until then', async () => {
      await insertPublished(store, 'b', 2);
      await store.claimBatch('b', 2);
      await store.complete('b-0', { status: 'not_sent', outcome: OUTCOME });
      await fixture.advance(DAY_MS);
      await store.complete('b-1', { status: 'accepted', outcome: OUTCOME });
      await sweepAll(store);
      await fixture.advance(71 * HOUR_MS);
      await store.purge(9);
      expect(await store.find('crm', 'b-0')).not.toHaveProperty('content');
      expect(await store.findBroadcastByKey('crm', BROADCASTS, 'key of b')).toMatchObject({ contentMac: MAC });
      await fixture.advance(HOUR_MS);
      await store.purge(9);
      expect(await store.findBroadcastByKey('crm', BROADCASTS, 'key of b')).toBeUndefined();
      expect(await store.findBroadcast('crm', 'b')).not.toHaveProperty('contentMac');
      await fixture.advance(86 * DAY_MS);
      await store.purge(9);
      expect(await store.find('crm', 'b-0')).toBeUndefined();
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ counts: { ...NONE, accepted: 1, not_sent: 1 } });
      await fixture.advance(DAY_MS + MINUTE_MS);
      while ((await store.purge(1)) > 0);
      expect(await store.findBroadcast('crm', 'b')).toBeUndefined();
      expect(await store.counts()).toEqual({ ...NONE, scheduled: 0 });
    });
  });
}
