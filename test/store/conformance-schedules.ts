import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { insertPublished, NONE, newBroadcast, recipients, sweepAll } from './broadcast-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import {
  HOUR_MS,
  ids,
  listOwnQueued,
  MINUTE_MS,
  mustFind,
  newMessage,
  newStream,
  recoverAndAdopt,
  withKey,
} from './samples.ts';

const HOW = { failure: { code: 'expired', detail: 'too late' }, outcome: { outcome: 'not_sent', detail: 'too late' } };

/** Scheduled and late messages and broadcasts. `durable`: the contents outlive the process. */
export function scheduleConformance(name: string, createFixture: () => Promise<StoreFixture>, durable: boolean): void {
  describe(`${name}: schedules`, () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });
    const later = (ms: number) => new Date(store.wallNow() + ms).toISOString();
    const insert = (id: string, more: Parameters<typeof newMessage>[1]) => store.insert(newMessage(id, more));
    const setWall = async (byMs: number) => fixture.setWall?.(byMs);
    const queued = async () => ids(await listOwnQueued(store)).toSorted();

    test('its wall clock is about that of the machine', () => {
      expect(Math.abs(store.wallNow() - Date.now())).toBeLessThan(MINUTE_MS);
    });

    test('a scheduled message is shown as queued, and is in no queue before its time', async () => {
      const times = { sendAt: later(HOUR_MS), notAfter: later(2 * HOUR_MS) };
      const recorded = await insert('a', { ...times, ...withKey('k') });
      expect(recorded).toMatchObject({ isScheduled: true, inserted: { id: 'a', status: 'queued', ...times } });
      expect(recorded).toMatchObject({ inserted: await mustFind(store, 'a') });
      for (const filter of [{}, { status: 'queued' as const }, { to: '14155551234', status: 'queued' as const }]) {
        expect(ids((await store.list('crm', filter, { limit: 9 })).messages)).toEqual(['a']);
      }
      expect(await store.findByKey('crm', 'POST /v1/messages/text', 'k')).toMatchObject({ id: 'a', status: 'queued' });
      expect(await store.insert(newMessage('b', withKey('k')))).toMatchObject({ existing: { id: 'a' } });
      expect(await store.counts()).toEqual({ ...NONE, scheduled: 1 });
      expect(await store.summarizeWork(['crm'])).toMatchObject([{ queued: 1 }]);
      expect(await store.countQueued(9)).toBe(0);
      expect(await queued()).toEqual([]);
      expect(await store.claim('a', 1)).toBe(false);
      expect(await store.scheduleState()).toEqual({
        dueCallers: [],
        isBroadcastDue: false,
        mayBeLate: false,
        nextInMs: expect.toSatisfy((ms: number) => Math.abs(ms - HOUR_MS) < MINUTE_MS),
      });
      expect(await store.startDue(['crm'], 9)).toBe(0);

      await setWall(HOUR_MS + MINUTE_MS);
      expect(await store.scheduleState()).toMatchObject({ dueCallers: ['crm'], mayBeLate: false });
      expect(await store.startDue(['crm'], 9)).toBe(1);
      expect(await store.startDue(['crm'], 9)).toBe(0);
      expect(await queued()).toEqual(['a']);
      expect(await store.counts()).toEqual({ ...NONE, queued: 1, scheduled: 0 });
      expect(await store.claim('a', 1)).toBe(true);
    });

    test('a message whose sendAt has passed is queued at once', async () => {
      expect(await insert('a', { sendAt: later(-HOUR_MS) })).not.toHaveProperty('isScheduled');
      expect(await queued()).toEqual(['a']);
    });

    test('due messages are started oldest first, an equal share of each caller', async () => {
      for (let n = 0; n < 9; n += 1) await insert(`m${n}`, { caller: 'many', sendAt: later((9 - n) * MINUTE_MS) });
      await insert('one', { caller: 'few', sendAt: later(10 * MINUTE_MS) });
      await insert('late', { caller: 'few', sendAt: later(HOUR_MS) });
      await setWall(11 * MINUTE_MS);
      const { dueCallers } = await store.scheduleState();
      expect(dueCallers).toEqual(['few', 'many']);
      expect(await store.startDue(dueCallers, 4)).toBe(3);
      expect(await queued()).toEqual(['m7', 'm8', 'one']);
      expect(await store.startDue(['many'], 100)).toBe(7);
    });

    test('a clock that is set back starts nothing early, and what was started stays started', async () => {
      await insert('a', { sendAt: later(MINUTE_MS) });
      await insert('b', { sendAt: later(HOUR_MS) });
      await setWall(2 * MINUTE_MS);
      expect(await store.startDue(['crm'], 9)).toBe(1);
      await setWall(-HOUR_MS);
      expect(await store.scheduleState()).toMatchObject({ dueCallers: [], mayBeLate: false });
      expect(await store.startDue(['crm'], 9)).toBe(0);
      expect(await queued()).toEqual(['a']);
      await setWall(3 * HOUR_MS);
      expect(await store.startDue(['crm'], 9)).toBe(1);
      expect(await store.startDue(['crm'], 9)).toBe(0);
    });

    test.runIf(durable)(
      'what a dead process has started is adopted, and what it scheduled is started by another',
      async () => {
        await insert('a', { sendAt: later(MINUTE_MS) });
        await insert('b', { sendAt: later(HOUR_MS) });
        await setWall(2 * MINUTE_MS);
        expect(await store.startDue(['crm'], 9)).toBe(1);
        await store.close();
        store = await fixture.open();
        expect(await recoverAndAdopt(store, 9)).toMatchObject({ unknown: 0, adopted: [{ id: 'a' }] });
        await setWall(HOUR_MS);
        expect(await store.startDue(['crm'], 9)).toBe(1);
        expect(await queued()).toEqual(['a', 'b']);
      },
    );

    test('a scheduled message can be cancelled by its caller, an operator, or an erasure', async () => {
      const sendAt = later(HOUR_MS);
      for (const id of ['a', 'b', 'c']) await insert(id, { sendAt, to: id === 'c' ? '14155559999' : '14155551234' });
      expect(await store.complete('a', { status: 'cancelled', outcome: null })).toBe(true);
      expect(await mustFind(store, 'a')).toMatchObject({ status: 'cancelled', sendAt });
      expect(await mustFind(store, 'a')).not.toHaveProperty('content');
      expect(await store.countPerson('crm', '14155559999')).toEqual([{ caller: 'crm', status: 'queued', count: 1 }]);
      expect(await store.erasePerson('crm', '14155559999', 9)).toBe(0);
      expect(await store.cancelPerson('crm', '14155559999', 9)).toBe(1);
      expect(await store.erasePerson('crm', '14155559999', 9)).toBe(1);
      expect(await store.cancelQueued('crm', 9)).toBe(1);
      await setWall(2 * HOUR_MS);
      expect(await store.scheduleState()).toMatchObject({ dueCallers: [] });
      expect(await store.counts()).toEqual({ ...NONE, scheduled: 0, cancelled: 2 });
    });

    test('a late message is not claimed, and ends as expired, unless it is being sent', async () => {
      const notAfter = later(MINUTE_MS);
      await insert('wire', { notAfter });
      await insert('retried', { notAfter });
      await insert('queued', { notAfter, ...withKey('k') });
      await insert('scheduled', { notAfter: later(2 * MINUTE_MS), sendAt: later(90_000) });
      await insert('timeless', {});
      await insert('timely', { notAfter: later(HOUR_MS) });
      await store.insert({ ...newStream('stream'), notAfter });
      for (const id of ['wire', 'retried']) expect(await store.claim(id, 1)).toBe(true);
      expect(await store.expireLate(9, HOW)).toEqual([]);
      expect(await store.expire('queued', HOW)).toBe(false);

      await setWall(3 * MINUTE_MS);
      expect(await store.requeue('retried', 1)).toBe(true);
      expect(await store.scheduleState()).toMatchObject({ mayBeLate: true });
      // Claims an attempt that has begun already.
      expect(await store.claim('wire', 1)).toBe(true);
      expect(await store.claim('retried', 2)).toBe(false);
      const attempts = ['queued', 'timeless', 'timely', 'stream'].map((id) => ({ id, attempt: 1 }));
      expect(await store.claimAll(attempts)).toEqual(new Set(['timeless', 'timely']));
      expect(await store.expire('queued', HOW)).toBe(true);
      for (const id of ['queued', 'wire', 'timely', 'timeless']) expect(await store.expire(id, HOW)).toBe(false);
      const ended = await store.expireLate(9, HOW);
      expect(ended.map(({ id }) => id).toSorted()).toEqual(['retried', 'scheduled', 'stream']);
      expect(ended).toContainEqual({ id: 'stream', caller: 'crm', kind: 'file', connectionId: 'c1' });
      expect(await store.expireLate(9, HOW)).toEqual([]);
      for (const id of ['queued', 'retried', 'scheduled', 'stream']) {
        expect(await mustFind(store, id)).toMatchObject({ status: 'not_sent', ...HOW });
      }
      expect(await store.startDue(['crm'], 9)).toBe(0);
      expect(await store.complete('wire', { status: 'accepted', outcome: null })).toBe(true);
      // An explicit resend is a new message.
      expect(await insert('again', { resendOf: 'queued' })).toHaveProperty('inserted');
      expect(await store.scheduleState()).toMatchObject({ mayBeLate: false });
    });

    test('late messages are ended in batches', async () => {
      for (let n = 0; n < 5; n += 1) await insert(`m${n}`, { notAfter: later(n * 1_000) });
      await setWall(MINUTE_MS);
      expect((await store.expireLate(3, HOW)).map(({ id }) => id).toSorted()).toEqual(['m0', 'm1', 'm2']);
      expect(await store.expireLate(3, HOW)).toHaveLength(2);
    });

    test('a broadcast with sendAt is scheduled until then, and can be read, paused, resumed and cancelled', async () => {
      const times = { sendAt: later(HOUR_MS), notAfter: later(3 * HOUR_MS) };
      for (const id of ['b', 'c']) {
        await store.openBroadcast(newBroadcast(id, times));
        await store.addRecipients(id, recipients(id, 0, 3));
        expect(await store.publishBroadcast(id, 'print')).toMatchObject({ status: 'scheduled', ...times, total: 3 });
      }
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({
        status: 'scheduled',
        counts: { ...NONE, queued: 3 },
      });
      expect((await store.listBroadcasts('crm', { limit: 9 })).broadcasts).toHaveLength(2);
      expect((await store.listAllBroadcasts({ status: 'scheduled' }, { limit: 9 })).broadcasts).toHaveLength(2);
      expect(await mustFind(store, 'b-0')).toMatchObject({ status: 'queued', ...times });
      expect(
        ids((await store.list('crm', { broadcastId: 'b', status: 'queued' }, { limit: 9 })).messages),
      ).toHaveLength(3);
      expect(await store.counts()).toEqual({ ...NONE, scheduled: 6 });
      expect(await store.countOpenBroadcasts()).toEqual([
        { caller: 'crm', connectionId: 'c1', status: 'scheduled', count: 2 },
      ]);
      expect(await store.countScheduledBroadcasts()).toBe(2);
      await sweepAll(store);
      const nothingGoes = async () => {
        expect(await store.listRunningBroadcasts(9)).toEqual([]);
        expect(await store.claimBatch('b', 9)).toEqual([]);
        expect(await store.startDueBroadcasts()).toBe(0);
      };
      await nothingGoes();
      expect(await store.changeBroadcastStatus('crm', 'b', { to: 'paused' })).toMatchObject({ status: 'paused' });
      expect(await store.changeBroadcastStatus('crm', 'b', { to: 'running' })).toMatchObject({ status: 'scheduled' });
      expect(await store.changeAnyBroadcastStatus('b', 'paused')).toMatchObject({ status: 'paused' });
      expect(await store.changeAnyBroadcastStatus('b', 'running')).toMatchObject({ status: 'scheduled' });
      expect(await store.changeBroadcastStatus('crm', 'c', { to: 'cancelled' })).toMatchObject({ status: 'cancelled' });
      // Cancels a single recipient.
      expect(await store.complete('b-1', { status: 'cancelled', outcome: null })).toBe(true);
      await nothingGoes();

      await setWall(2 * HOUR_MS);
      expect(await store.scheduleState()).toMatchObject({ isBroadcastDue: true, mayBeLate: false });
      expect(await store.startDueBroadcasts()).toBe(1);
      expect(await store.startDueBroadcasts()).toBe(0);
      expect(ids(await store.claimBatch('b', 9))).toEqual(['b-0', 'b-2']);
      expect(await store.changeBroadcastStatus('crm', 'b', { to: 'paused' })).toMatchObject({ status: 'paused' });
      expect(await store.changeBroadcastStatus('crm', 'b', { to: 'running' })).toMatchObject({ status: 'running' });
    });

    test.each(['running', 'paused', 'scheduled'] as const)(
      'a %s broadcast that is late ends, recipients on the wire aside',
      async (state) => {
        const times = { notAfter: later(HOUR_MS), ...(state === 'scheduled' && { sendAt: later(MINUTE_MS) }) };
        await insertPublished(store, 'other', 2);
        await store.openBroadcast(newBroadcast('b', times));
        await store.addRecipients('b', recipients('b', 0, 3));
        await store.publishBroadcast('b', 'print');
        const sending = state === 'scheduled' ? [] : await store.claimBatch('b', 1);
        if (state === 'paused') await store.changeBroadcastStatus('crm', 'b', { to: 'paused' });
        expect(await store.expireLate(9, HOW)).toEqual([]);
        await setWall(2 * HOUR_MS);
        expect(await store.claimBatch('b', 9)).toEqual([]);
        expect(await store.scheduleState()).toMatchObject({ mayBeLate: true });
        const ended = [...(await store.expireLate(2, HOW)), ...(await store.expireLate(2, HOW))];
        expect(ended.map(({ id }) => id).toSorted()).toEqual(['b-0', 'b-1', 'b-2'].slice(sending.length));
        expect(await mustFind(store, 'b-2')).toMatchObject({ status: 'not_sent', ...HOW });
        for (const { id } of sending) await store.complete(id, { status: 'accepted', outcome: null });
        await sweepAll(store);
        expect(await store.findBroadcast('crm', 'b')).toMatchObject({
          status: 'done',
          counts: { ...NONE, accepted: sending.length, not_sent: 3 - sending.length },
        });
        expect(ids(await store.claimBatch('other', 9))).toHaveLength(2);
        expect(await store.scheduleState()).toMatchObject({ mayBeLate: false, isBroadcastDue: false });
      },
    );

    test('a broadcast that is still recording when its time comes is not touched', async () => {
      await store.openBroadcast(newBroadcast('b', { notAfter: later(MINUTE_MS) }));
      await store.addRecipients('b', recipients('b', 0, 2));
      await setWall(HOUR_MS);
      expect(await store.expireLate(9, HOW)).toEqual([]);
      expect(await store.publishBroadcast('b', 'print')).toMatchObject({ status: 'running' });
      expect(await store.expireLate(9, HOW)).toHaveLength(2);
    });
  });
}
