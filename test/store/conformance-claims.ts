import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { broadcastsHoldTheModel } from './broadcast-model.ts';
import { BROADCASTS, insertPublished, insertRecording, NONE, recipients, sweepAll, TIME } from './broadcast-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { ids, insertFinished, newMessage, OUTCOME, recoverAndAdopt } from './samples.ts';

/** Claims of recipients, changes of status, and the end of broadcasts. `durable`: the contents outlive the process. */
export function claimsConformance(name: string, createFixture: () => Promise<StoreFixture>, durable: boolean): void {
  describe(`${name}: recipients of broadcasts`, () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });

    test('are claimed oldest first, each once', async () => {
      await insertPublished(store, 'b', 10);
      expect(await store.listRunningBroadcasts(9)).toEqual([
        { id: 'b', caller: 'crm', connectionId: 'c1', template: 'welcome', name: 'spring' },
      ]);
      const first = await store.claimBatch('b', 4);
      expect(ids(first)).toEqual(['b-0', 'b-1', 'b-2', 'b-3']);
      expect(first[0]).toMatchObject({ status: 'sending', attempts: 1, sentAt: TIME, content: { text: 'b-0' } });
      expect(first[0]).toEqual(await store.find('crm', 'b-0'));
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ counts: { ...NONE, queued: 6, sending: 4 } });
      const both = await Promise.all([store.claimBatch('b', 4), store.claimBatch('b', 4)]);
      expect(ids(both.flat()).sort()).toEqual(['b-4', 'b-5', 'b-6', 'b-7', 'b-8', 'b-9']);
      expect(await store.claimBatch('b', 4)).toEqual([]);
      expect(await store.listRunningBroadcasts(9)).toEqual([]);
    });

    test('are queued after a requeue, and can only be claimed again', async () => {
      await insertPublished(store, 'b', 3);
      await store.claimBatch('b', 2);
      expect(await store.claim('b-0', 1)).toBe(true); // repeats a claim that has succeeded
      const first = ['b-0', 'b-2'].map((id) => ({ id, attempt: 1 }));
      expect(await store.requeueAll(first)).toEqual(new Set(['b-0']));
      expect(await store.requeue('b-0', 1)).toBe(true);
      expect(await store.find('crm', 'b-0')).toMatchObject({ status: 'queued', attempts: 1 });
      expect(await store.claim('b-0', 2)).toBe(false);
      expect((await store.claimBatch('b', 9)).map(({ id, attempts }) => [id, attempts])).toEqual([
        ['b-0', 2],
        ['b-2', 1],
      ]);
    });

    test('are not touched by a repeated requeue once the next attempt has begun', async () => {
      await insertPublished(store, 'b', 2);
      const first = ids(await store.claimBatch('b', 2)).map((id) => ({ id, attempt: 1 }));
      expect((await store.requeueAll(first)).size).toBe(2);
      expect(ids(await store.claimBatch('b', 2))).toEqual(['b-0', 'b-1']);
      expect(await store.requeueAll(first)).toEqual(new Set());
      expect(await store.requeue('b-0', 1)).toBe(false);
      expect(await store.find('crm', 'b-0')).toMatchObject({ status: 'sending', attempts: 2 });
      expect(await store.claimBatch('b', 2)).toEqual([]);
      expect(await store.requeue('b-0', 2)).toBe(true);
    });

    test('are completed one by one and together, claimed or not', async () => {
      await insertPublished(store, 'b', 6);
      await store.claimBatch('b', 3);
      await store.complete('b-0', { status: 'accepted', outcome: OUTCOME });
      await store.completeAll([
        { id: 'b-1', status: 'rejected', outcome: OUTCOME },
        { id: 'b-2', status: 'unknown', outcome: OUTCOME },
        { id: 'b-3', status: 'not_sent', outcome: OUTCOME },
        { id: 'b-4', status: 'cancelled', outcome: OUTCOME },
      ]);
      const one = { accepted: 1, rejected: 1, not_sent: 1, unknown: 1, cancelled: 1, queued: 1, sending: 0 };
      expect(await store.counts()).toEqual({ ...one, scheduled: 0 });
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ counts: one, total: 6 });
      await store.markReconciled('b-2', { outcome: null });
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ counts: { ...one, accepted: 2, unknown: 0 } });
      await store.claimBatch('b', 9);
      await store.deleteUnsent('b-5');
      expect(await store.find('crm', 'b-5')).toMatchObject({ status: 'sending' });
    });

    test('lists what this process has claimed and neither completed nor requeued', async () => {
      await insertPublished(store, 'b', 5);
      await insertPublished(store, 'c', 1);
      expect(await store.listClaimed('b')).toEqual([]);
      await store.claimBatch('b', 4);
      await store.claimBatch('c', 1);
      await store.requeue('b-0', 1);
      await store.complete('b-1', { status: 'unknown', outcome: OUTCOME });
      expect(await store.listClaimed('b')).toEqual([
        { id: 'b-2', attempt: 1 },
        { id: 'b-3', attempt: 1 },
      ]);
      await store.claimBatch('b', 1);
      expect(await store.listClaimed('b')).toContainEqual({ id: 'b-0', attempt: 2 });
    });

    test('counts the reasons of rejection, separately for each broadcast', async () => {
      for (const id of ['b', 'c']) {
        await insertPublished(store, id, 5);
        await store.claimBatch(id, 4);
        await store.complete(`${id}-0`, { status: 'accepted', outcome: OUTCOME });
        for (const [n, code] of [
          [1, 'opted-out'],
          [2, id],
          [3, 'opted-out'],
        ] as const) {
          const failure = { code, detail: 'refused' };
          await store.complete(`${id}-${n}`, { status: 'rejected', failure, outcome: OUTCOME });
        }
      }
      await insertFinished(store, newMessage('alone'), 'rejected');
      expect(await store.countRejections('b')).toEqual({ 'opted-out': 2, b: 1 });
      expect(await store.countRejections('c')).toEqual({ 'opted-out': 2, c: 1 });
      expect(await store.countRejections('nobody')).toEqual({});
      // As those of the counts: of many at once, from `unknown` by a late answer, and not undone when its record is deleted.
      await store.claimBatch('b', 1);
      await store.complete('b-4', { status: 'unknown', outcome: OUTCOME });
      const late = { status: 'rejected', failure: { code: 'opted-out', detail: 'refused' }, outcome: OUTCOME } as const;
      await insertPublished(store, 'd', 3);
      await store.claimBatch('d', 3);
      const settled = [
        ...['d-0', 'd-1', 'b-4'].map((id) => ({ id, ...late })),
        { ...late, id: 'd-2', failure: undefined },
      ];
      await store.completeAll(settled.map(({ failure, ...rest }) => ({ ...rest, ...(failure && { failure }) })));
      expect(await store.countRejections('b')).toEqual({ 'opted-out': 3, b: 1 });
      expect(await store.countRejections('d')).toEqual({ 'opted-out': 2, other: 1 });
      while ((await store.erasePerson('crm', '49301', 10)) > 0);
      expect(await store.countRejections('d')).toEqual({ 'opted-out': 2, other: 1 });
    });

    test('returns and counts broadcasts that the service paused, with the reason, and lets their caller resume them', async () => {
      await insertPublished(store, 'b', 2);
      await insertPublished(store, 'c', 2);
      const how = { by: 'service' as const, reason: 'no credits' };
      expect(await store.countPausedByService()).toBe(0);
      const paused = { status: 'paused', pausedBy: 'service', pauseReason: 'no credits' };
      expect(await store.changeBroadcastStatus('crm', 'b', { to: 'paused', ...how })).toMatchObject(paused);
      expect(await store.claimBatch('b', 2)).toEqual([]);
      expect(await store.countPausedByService()).toBe(1);
      // A pause by the caller changes nothing, and an operator's pause replaces either.
      expect(await store.changeBroadcastStatus('crm', 'b', { to: 'paused' })).toMatchObject(paused);
      await store.changeBroadcastStatus('crm', 'c', { to: 'paused' });
      expect(await store.changeBroadcastStatus('crm', 'c', { to: 'paused', ...how })).toMatchObject({
        pausedBy: 'caller',
      });
      expect(await store.changeBroadcastStatus('crm', 'b', { to: 'running' })).toMatchObject({ status: 'running' });
      expect(await store.findBroadcast('crm', 'b')).not.toHaveProperty('pauseReason');
      expect(await store.countPausedByService()).toBe(0);
      await store.changeBroadcastStatus('crm', 'b', { to: 'paused', ...how });
      expect(await store.changeAnyBroadcastStatus('b', 'paused')).toMatchObject({ pausedBy: 'operator' });
      expect(await store.changeBroadcastStatus('crm', 'b', { to: 'running' })).toMatchObject({ pausedBy: 'operator' });
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
      await insertPublished(store, 'b', from === 'done' ? 0 : 2);
      if (from === 'done') await sweepAll(store);
      else await store.changeBroadcastStatus('crm', 'b', { to: from });
      expect(await store.changeBroadcastStatus('shop', 'b', { to })).toBeUndefined();
      expect(await store.changeBroadcastStatus('crm', 'b', { to })).toMatchObject({ id: 'b', status: then });
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ status: then });
      expect(await store.claimBatch('b', 1)).toHaveLength(then === 'running' ? 1 : 0);
    });

    test('claims nothing after a pause or a cancel; a cancel never changes a sending recipient', async () => {
      await insertPublished(store, 'b', 5);
      await store.claimBatch('b', 2);
      const [paused, late] = await Promise.all([
        store.changeBroadcastStatus('crm', 'b', { to: 'paused' }),
        store.claimBatch('b', 1),
      ]);
      expect(paused?.status).toBe('paused');
      expect(await store.claimBatch('b', 1)).toEqual([]);
      expect(await store.listRunningBroadcasts(9)).toEqual([]);
      const sending = 2 + late.length;
      const cancelled = await store.changeBroadcastStatus('crm', 'b', { to: 'cancelled' });
      expect(cancelled).toMatchObject({ counts: { ...NONE, sending, cancelled: 5 - sending } });
      expect(await store.counts()).toEqual({ ...NONE, scheduled: 0, sending, cancelled: 5 - sending });
      await sweepAll(store);
      expect(await store.findBroadcast('crm', 'b')).toEqual({ ...cancelled, updatedAt: expect.any(String) });
      const gone = await store.find('crm', 'b-4');
      expect(gone).toMatchObject({ status: 'cancelled' });
      expect(gone).not.toHaveProperty('content');
      // An unsent attempt is requeued into a broadcast that was cancelled meanwhile: it becomes cancelled, and stays so.
      expect(await store.requeue('b-0', 1)).toBe(true);
      expect(await store.find('crm', 'b-0')).toMatchObject({ status: 'cancelled' });
      expect(await store.complete('b-0', { status: 'not_sent', outcome: null })).toBe(false);
      await store.completeAll(recipients('b', 0, 5).map(({ id }) => ({ id, status: 'accepted', outcome: OUTCOME })));
      await sweepAll(store);
      const end = await store.findBroadcast('crm', 'b');
      expect(end).toMatchObject({ status: 'cancelled', finishedAt: TIME });
      expect(end?.counts).toEqual({ ...NONE, accepted: sending - 1, cancelled: 6 - sending });
    });

    test('is done when nothing is queued or sending, unknown recipients included, paused or not', async () => {
      for (const [id, paused] of [
        ['b', false],
        ['p', true],
      ] as const) {
        await insertPublished(store, id, 2);
        await store.claimBatch(id, 2);
        if (paused) await store.changeBroadcastStatus('crm', id, { to: 'paused' });
        await store.complete(`${id}-0`, { status: 'accepted', outcome: OUTCOME });
        await sweepAll(store);
        expect(await store.findBroadcast('crm', id)).not.toHaveProperty('finishedAt');
        await store.complete(`${id}-1`, { status: 'unknown', outcome: OUTCOME });
        expect(await store.sweepBroadcasts(9)).toBe(1);
        expect(await store.findBroadcast('crm', id)).toMatchObject({
          status: 'done',
          finishedAt: TIME,
          counts: { ...NONE, accepted: 1, unknown: 1 },
        });
      }
    });

    test('in any order of operations, the counts add up and no recipient is claimed twice', async () => {
      await broadcastsHoldTheModel(store, durable ? 15 : 60);
    });

    test.skipIf(!durable)('a later process deletes what was recording, and continues with the rest', async () => {
      await insertRecording(store, 'open', 5);
      await insertPublished(store, 'b', 4);
      await store.claimBatch('b', 2);
      await store.requeue('b-1', 1);
      await store.close();
      store = await fixture.open();
      expect(await store.addRecipients('open', recipients('open', 5, 6))).toBe(false);
      expect(await store.publishBroadcast('open', 'print')).toBeUndefined();
      expect(await recoverAndAdopt(store, 9)).toEqual({ unknown: 1, adopted: [] });
      await sweepAll(store);
      expect(await store.findBroadcastByKey('crm', BROADCASTS, 'key of open')).toBeUndefined();
      await insertRecording(store, 'open', 5);
      expect(ids(await store.claimBatch('b', 9))).toEqual(['b-1', 'b-2', 'b-3']);
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ counts: { ...NONE, unknown: 1, sending: 3 } });
    });
  });
}
