import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NewBroadcast } from '../../src/store/broadcast-port.ts';
import type { Store } from '../../src/store/open.ts';
import type { NewSend } from '../../src/store/port.ts';
import { broadcastsHoldTheModel } from './broadcast-model.ts';
import type { Home } from './conformance.ts';
import { aSend, DAY_MS, HOUR_MS, ids, MINUTE_MS, VERDICT } from './samples.ts';

const BROADCASTS = 'POST /v1/broadcasts';
export const NONE = { queued: 0, sending: 0, accepted: 0, rejected: 0, not_sent: 0, unknown: 0, cancelled: 0 };
const TIME = expect.stringMatching(/^\d{4}-.*Z$/);

export const aBroadcast = (id: string, more: Partial<NewBroadcast> = {}): NewBroadcast => ({
  id,
  caller: 'crm',
  template: 'welcome',
  name: 'spring',
  connectionId: 'c1',
  idempotency: { route: BROADCASTS, key: `key of ${id}` },
  ...more,
});

export const recipients = (id: string, from: number, to: number): NewSend[] =>
  Array.from({ length: to - from }, (_, n) =>
    aSend(`${id}-${from + n}`, { kind: 'template', to: `4930${from + n}`, template: 'welcome', fingerprint: 'same' }),
  );

export async function recording(
  store: Store,
  id: string,
  total: number,
  more: Partial<NewBroadcast> = {},
): Promise<void> {
  expect(await store.openBroadcast(aBroadcast(id, more))).toEqual({ opened: true });
  expect(await store.addRecipients(id, recipients(id, 0, total))).toBe(true);
}

export async function released(
  store: Store,
  id: string,
  total: number,
  more: Partial<NewBroadcast> = {},
): Promise<void> {
  await recording(store, id, total, more);
  expect(await store.releaseBroadcast(id, 'print')).toMatchObject({ id, status: 'running', total });
}

export const swept = async (store: Store): Promise<void> => {
  for (let round = 0; (await store.sweepBroadcasts(3)) > 0; round++)
    if (round > 100) throw new Error('sweeps for ever');
};

/** Whatever looks at sends, and what it finds. */
const everything = async (store: Store, broadcastId: string) => ({
  found: await store.find('crm', `${broadcastId}-0`),
  listed: ids((await store.list('crm', {}, { limit: 9 })).sends),
  queued: ids((await store.list('crm', { status: 'queued' }, { limit: 9 })).sends),
  cancelled: ids((await store.list('crm', { status: 'cancelled' }, { limit: 9 })).sends),
  ofNumber: ids((await store.list('crm', { to: '49300' }, { limit: 9 })).sends),
  ofBroadcast: ids((await store.list('crm', { broadcastId }, { limit: 9 })).sends),
  counts: await store.counts(),
  broadcast: await store.findBroadcast('crm', broadcastId),
  broadcasts: await store.listBroadcasts('crm', { limit: 9 }),
  running: await store.runningBroadcasts(9),
  claimed: await store.claimGroup(broadcastId, 9),
  steered: await store.steerBroadcast('crm', broadcastId, 'cancelled'),
  begun: await store.begin(`${broadcastId}-0`, 1),
  settled: await store.settle(`${broadcastId}-0`, { status: 'cancelled', verdict: null }),
  forgotten: await store.forget(`${broadcastId}-0`),
  recovered: await store.recover(9),
  due: await store.dueForReconcile(9),
  purged: await store.purge(9),
});

const NOTHING = {
  found: undefined,
  listed: [],
  queued: [],
  cancelled: [],
  ofNumber: [],
  ofBroadcast: [],
  counts: NONE,
  broadcast: undefined,
  broadcasts: { broadcasts: [] },
  running: [],
  claimed: [],
  steered: undefined,
  begun: false,
  settled: false,
  forgotten: undefined,
  recovered: { unknown: 0, adopted: [] },
  due: [],
  purged: 0,
};

/** Holds a store to every sentence of src/store/broadcast-port.ts. */
export function broadcastConformance(name: string, makeHome: () => Promise<Home>, survives: boolean): void {
  describe(`${name}: broadcasts`, () => {
    let home: Home;
    let store: Store;
    beforeEach(async () => {
      home = await makeHome();
      store = await home.open();
    });
    afterEach(async () => {
      await store.close();
      await home.tearDown();
    });

    test('is invisible to every verb while it is recording', async () => {
      await recording(store, 'b', 3);
      expect(await everything(store, 'b')).toEqual(NOTHING);
      expect(await store.findBroadcastByKey('crm', BROADCASTS, 'key of b')).toEqual({
        ...aBroadcast('b'),
        status: 'recording',
        total: 3,
        counts: { ...NONE, queued: 3 },
        createdAt: TIME,
        updatedAt: TIME,
      });
      expect(await store.sweepBroadcasts(9)).toBe(0);
    });

    test('released, its recipients are queued messages of its caller', async () => {
      await recording(store, 'b', 2);
      expect(await store.addRecipients('b', recipients('b', 2, 3))).toBe(true);
      const broadcast = await store.releaseBroadcast('b', 'print');
      expect(broadcast).toEqual({
        ...aBroadcast('b'),
        status: 'running',
        fingerprint: 'print',
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
      expect(await store.counts()).toEqual({ ...NONE, queued: 3 });
      expect(await store.recover(9)).toEqual({ unknown: 0, adopted: [] });
      expect(await store.releaseBroadcast('b', 'again')).toBeUndefined();
      expect(await store.addRecipients('b', recipients('b', 3, 4))).toBe(false);
      await store.discardBroadcast('b');
      expect((await store.findBroadcast('crm', 'b'))?.total).toBe(3);
    });

    test('lists recipients among other sends, newest first, page by page, by whatever filter', async () => {
      await store.record(aSend('first'));
      await released(store, 'b', 4);
      await recording(store, 'hidden', 20);
      await store.record(aSend('last'));
      await released(store, 'shop', 2, { caller: 'shop' });
      const [claimed] = await store.claimGroup('b', 2);
      await store.settle(String(claimed?.id), { status: 'rejected', verdict: VERDICT });
      const all = ['last', 'b-3', 'b-2', 'b-1', 'b-0', 'first'];
      for (const limit of [1, 2, 3, 6]) {
        const pages: string[] = [];
        for (let cursor: string | undefined; ; ) {
          const page = await store.list('crm', {}, cursor === undefined ? { limit } : { limit, cursor });
          pages.push(...ids(page.sends));
          cursor = page.next;
          if (cursor === undefined) break;
        }
        expect(pages).toEqual(all);
      }
      const since = '2020-01-01T00:00:00Z';
      const listed = async (filter: Parameters<Store['list']>[1]): Promise<string[]> => {
        const sends = (await store.list('crm', { since, ...filter }, { limit: 10 })).sends;
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
      await store.steerBroadcast('crm', 'b', 'cancelled');
      expect(await listed({ status: 'cancelled' })).toEqual(['b-3', 'b-2']);
      expect(await listed({ status: 'queued' })).toEqual(['last', 'first']);
      expect(await listed({ to: '49303', status: 'cancelled' })).toEqual(['b-3']);
      expect((await store.find('crm', 'b-3'))?.status).toBe('cancelled');
    });

    test('discarded, it leaves nothing, and its key is free at once', async () => {
      await recording(store, 'b', 7);
      await store.discardBroadcast('b');
      expect(await store.findBroadcastByKey('crm', BROADCASTS, 'key of b')).toBeUndefined();
      expect(await everything(store, 'b')).toEqual(NOTHING);
      expect(await store.addRecipients('b', recipients('b', 7, 8))).toBe(false);
      expect(await store.releaseBroadcast('b', 'print')).toBeUndefined();
      await recording(store, 'c', 1, { idempotency: aBroadcast('b').idempotency });
      await store.discardBroadcast('c');
      expect(await store.sweepBroadcasts(5)).toBe(5);
      await swept(store);
      await released(store, 'b', 7); // its id and those of its recipients can be used: they are gone
    });

    test('opens one of a hundred that race under one key, of a caller and a route', async () => {
      const racing = Array.from({ length: 100 }, (_, n) =>
        store.openBroadcast(aBroadcast(`r${n}`, { idempotency: { route: BROADCASTS, key: 'k' } })),
      );
      const answers = await Promise.all(racing);
      expect(answers.filter((answer) => 'opened' in answer)).toHaveLength(1);
      const shop = aBroadcast('shop', { caller: 'shop', idempotency: { route: BROADCASTS, key: 'k' } });
      expect(await store.openBroadcast(shop)).toEqual({ opened: true });
      const imported = aBroadcast('imported', { idempotency: { route: 'POST /v1/broadcasts/import', key: 'k' } });
      expect(await store.openBroadcast(imported)).toEqual({ opened: true });
      expect(await store.openBroadcast({ ...shop, id: 'other' })).toMatchObject({ known: { id: 'shop', total: 0 } });
      await expect(store.openBroadcast(aBroadcast('shop'))).rejects.toMatchObject({ name: 'StoreError' });
    });

    test('records all of a batch or none, any text, and nothing to a stranger', async () => {
      await recording(store, 'b', 2);
      await expect(store.addRecipients('b', recipients('b', 1, 4))).rejects.toMatchObject({ name: 'StoreError' });
      const call = { text: 'ñ 你好 \u{1F600} \u0000 "\\ \uD800', none: null };
      const odd = { ...aSend('odd', { call, template: 'पता \uD800' }), idempotency: { route: 'r', key: 'k' } };
      expect(await store.addRecipients('b', [odd])).toBe(true);
      expect(await store.addRecipients('b', [])).toBe(true);
      expect(await store.addRecipients('nobody', recipients('n', 0, 1))).toBe(false);
      expect(await store.releaseBroadcast('b', 'print')).toMatchObject({ total: 3, counts: { queued: 3 } });
      const [, , claimed] = await store.claimGroup('b', 9);
      expect(claimed).toMatchObject({ id: 'odd', call, template: 'पता \uFFFD', caller: 'crm', broadcastId: 'b' });
      expect(claimed).not.toHaveProperty('idempotency');
      await expect(store.record(aSend('x', { broadcastId: 'b' }))).rejects.toThrow(TypeError);
    });

    test('claims the oldest, each once', async () => {
      await released(store, 'b', 10);
      expect(await store.runningBroadcasts(9)).toEqual([
        { id: 'b', caller: 'crm', connectionId: 'c1', template: 'welcome', name: 'spring' },
      ]);
      const first = await store.claimGroup('b', 4);
      expect(ids(first)).toEqual(['b-0', 'b-1', 'b-2', 'b-3']);
      expect(first[0]).toMatchObject({ status: 'sending', attempts: 1, sentAt: TIME, call: { text: 'b-0' } });
      expect(first[0]).toEqual(await store.find('crm', 'b-0'));
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ counts: { ...NONE, queued: 6, sending: 4 } });
      const both = await Promise.all([store.claimGroup('b', 4), store.claimGroup('b', 4)]);
      expect(ids(both.flat()).sort()).toEqual(['b-4', 'b-5', 'b-6', 'b-7', 'b-8', 'b-9']);
      expect(await store.claimGroup('b', 4)).toEqual([]);
      expect(await store.runningBroadcasts(9)).toEqual([]);
    });

    test('what was retreated from is queued, and begins by another claim alone', async () => {
      await released(store, 'b', 3);
      await store.claimGroup('b', 2);
      expect(await store.begin('b-0', 1)).toBe(true); // asked again, about an attempt that began
      expect(await store.retreatAll(['b-0', 'b-2'])).toEqual(new Set(['b-0']));
      expect(await store.retreat('b-0')).toBe(true);
      expect(await store.find('crm', 'b-0')).toMatchObject({ status: 'queued', attempts: 1 });
      expect(await store.begin('b-0', 2)).toBe(false);
      expect((await store.claimGroup('b', 9)).map(({ id, attempts }) => [id, attempts])).toEqual([
        ['b-0', 2],
        ['b-2', 1],
      ]);
    });

    test('settles recipients one by one and in groups, claimed or not', async () => {
      await released(store, 'b', 6);
      await store.claimGroup('b', 3);
      await store.settle('b-0', { status: 'accepted', verdict: VERDICT });
      await store.settleAll([
        { id: 'b-1', status: 'rejected', verdict: VERDICT },
        { id: 'b-2', status: 'unknown', verdict: VERDICT },
        { id: 'b-3', status: 'not_sent', verdict: VERDICT },
        { id: 'b-4', status: 'cancelled', verdict: VERDICT },
      ]);
      const one = { accepted: 1, rejected: 1, not_sent: 1, unknown: 1, cancelled: 1, queued: 1, sending: 0 };
      expect(await store.counts()).toEqual(one);
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ counts: one, total: 6 });
      await store.resolve('b-2', { verdict: null });
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ counts: { ...one, accepted: 2, unknown: 0 } });
      await store.claimGroup('b', 9);
      await store.forget('b-5');
      expect(await store.find('crm', 'b-5')).toMatchObject({ status: 'sending' });
    });

    test.each([
      ['running', 'running', 'running'],
      ['running', 'paused', 'paused'],
      ['running', 'cancelled', 'cancelled'],
      ['paused', 'running', 'running'],
      ['paused', 'paused', 'paused'],
      ['paused', 'cancelled', 'cancelled'],
      ['cancelled', 'running', 'cancelled'],
      ['cancelled', 'paused', 'cancelled'],
      ['cancelled', 'cancelled', 'cancelled'],
      ['done', 'running', 'done'],
      ['done', 'paused', 'done'],
      ['done', 'cancelled', 'done'],
    ] as const)('%s, asked to be %s, is %s', async (from, to, then) => {
      await released(store, 'b', from === 'done' ? 0 : 2);
      if (from === 'done') await swept(store);
      else await store.steerBroadcast('crm', 'b', from);
      expect(await store.steerBroadcast('shop', 'b', to)).toBeUndefined();
      expect(await store.steerBroadcast('crm', 'b', to)).toMatchObject({ id: 'b', status: then });
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ status: then });
      expect(await store.claimGroup('b', 1)).toHaveLength(then === 'running' ? 1 : 0);
    });

    test('nothing is claimed after a pause or a cancel; a cancel never touches sending', async () => {
      await released(store, 'b', 5);
      await store.claimGroup('b', 2);
      const [paused, late] = await Promise.all([store.steerBroadcast('crm', 'b', 'paused'), store.claimGroup('b', 1)]);
      expect(paused?.status).toBe('paused');
      expect(await store.claimGroup('b', 1)).toEqual([]);
      expect(await store.runningBroadcasts(9)).toEqual([]);
      const sending = 2 + late.length;
      const cancelled = await store.steerBroadcast('crm', 'b', 'cancelled');
      expect(cancelled).toMatchObject({ counts: { ...NONE, sending, cancelled: 5 - sending } });
      expect(await store.counts()).toEqual({ ...NONE, sending, cancelled: 5 - sending });
      await swept(store);
      expect(await store.findBroadcast('crm', 'b')).toEqual(cancelled);
      const gone = await store.find('crm', 'b-4');
      expect(gone).toMatchObject({ status: 'cancelled' });
      expect(gone).not.toHaveProperty('call');
      // A try that was proved not sent goes back into a broadcast that was cancelled meanwhile: it is cancelled, and stays so.
      expect(await store.retreat('b-0')).toBe(true);
      expect(await store.find('crm', 'b-0')).toMatchObject({ status: 'cancelled' });
      expect(await store.settle('b-0', { status: 'not_sent', verdict: null })).toBe(false);
      await store.settleAll(recipients('b', 0, 5).map(({ id }) => ({ id, status: 'accepted', verdict: VERDICT })));
      await swept(store);
      const end = await store.findBroadcast('crm', 'b');
      expect(end).toMatchObject({ status: 'cancelled', finishedAt: TIME });
      expect(end?.counts).toEqual({ ...NONE, accepted: sending - 1, cancelled: 6 - sending });
    });

    test('is done when nothing is queued or sending, unknowns included, paused or not', async () => {
      for (const [id, paused] of [
        ['b', false],
        ['p', true],
      ] as const) {
        await released(store, id, 2);
        await store.claimGroup(id, 2);
        if (paused) await store.steerBroadcast('crm', id, 'paused');
        await store.settle(`${id}-0`, { status: 'accepted', verdict: VERDICT });
        await swept(store);
        expect(await store.findBroadcast('crm', id)).not.toHaveProperty('finishedAt');
        await store.settle(`${id}-1`, { status: 'unknown', verdict: VERDICT });
        expect(await store.sweepBroadcasts(9)).toBe(1);
        expect(await store.findBroadcast('crm', id)).toMatchObject({
          status: 'done',
          finishedAt: TIME,
          counts: { ...NONE, accepted: 1, unknown: 1 },
        });
      }
    });

    test('lists broadcasts newest first, page by page', async () => {
      for (const id of ['a', 'b', 'c', 'd']) await released(store, id, 2);
      await recording(store, 'e', 1);
      await released(store, 'shop', 1, { caller: 'shop' });
      await store.claimGroup('c', 1);
      const first = await store.listBroadcasts('crm', { limit: 3 });
      expect(first.broadcasts.map(({ id }) => id)).toEqual(['d', 'c', 'b']);
      expect(first.broadcasts[1]).toEqual(await store.findBroadcast('crm', 'c'));
      const rest = await store.listBroadcasts('crm', { limit: 3, cursor: String(first.next) });
      expect([rest.broadcasts.map(({ id }) => id), rest.next]).toEqual([['a'], undefined]);
      await expect(store.listBroadcasts('crm', { limit: 3, cursor: 'x' })).rejects.toThrow(RangeError);
      expect(await store.findBroadcast('shop', 'a')).toBeUndefined();
      expect((await store.runningBroadcasts(2)).map(({ id }) => id)).toEqual(['a', 'b']);
    });

    test('frees its key after its time, forgets it once nothing is left of it, and adds up to the end', async () => {
      await released(store, 'b', 2);
      await store.claimGroup('b', 2);
      await store.settle('b-0', { status: 'not_sent', verdict: VERDICT });
      await home.age(DAY_MS);
      await store.settle('b-1', { status: 'accepted', verdict: VERDICT });
      await swept(store);
      await home.age(71 * HOUR_MS);
      await store.purge(9);
      expect(await store.find('crm', 'b-0')).not.toHaveProperty('call');
      expect(await store.findBroadcastByKey('crm', BROADCASTS, 'key of b')).toMatchObject({ fingerprint: 'print' });
      await home.age(HOUR_MS);
      await store.purge(9);
      expect(await store.findBroadcastByKey('crm', BROADCASTS, 'key of b')).toBeUndefined();
      expect(await store.findBroadcast('crm', 'b')).not.toHaveProperty('fingerprint');
      await home.age(86 * DAY_MS);
      await store.purge(9);
      expect(await store.find('crm', 'b-0')).toBeUndefined();
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ counts: { ...NONE, accepted: 1, not_sent: 1 } });
      await home.age(DAY_MS + MINUTE_MS);
      while ((await store.purge(1)) > 0);
      expect(await store.findBroadcast('crm', 'b')).toBeUndefined();
      expect(await store.counts()).toEqual(NONE);
    });

    test('whatever is asked in whatever order: the counts add up, and nobody is claimed twice', async () => {
      await broadcastsHoldTheModel(store, survives ? 15 : 60);
    });

    test.skipIf(!survives)('a successor sweeps what was recording, and goes on with the rest', async () => {
      await recording(store, 'open', 5);
      await released(store, 'b', 4);
      await store.claimGroup('b', 2);
      await store.retreat('b-1');
      await store.close();
      store = await home.open();
      expect(await store.addRecipients('open', recipients('open', 5, 6))).toBe(false);
      expect(await store.releaseBroadcast('open', 'print')).toBeUndefined();
      expect(await store.recover(9)).toEqual({ unknown: 1, adopted: [] });
      await swept(store);
      expect(await store.findBroadcastByKey('crm', BROADCASTS, 'key of open')).toBeUndefined();
      await recording(store, 'open', 5);
      expect(ids(await store.claimGroup('b', 9))).toEqual(['b-1', 'b-2', 'b-3']);
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ counts: { ...NONE, unknown: 1, sending: 3 } });
    });
  });
}
