import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { insertPublished, NONE } from './broadcast-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import {
  HOUR_MS,
  ids,
  insertFinished,
  insertSending,
  MINUTE_MS,
  mustFind,
  newMessage,
  newStream,
  OUTCOME,
} from './samples.ts';
import { delivered, failed, PROOF, sent, tell } from './tracking-samples.ts';

const T = Date.parse('2026-11-30T10:00:00Z');
const ACCEPTED = { status: 'accepted', outcome: PROOF };

/** A webhook that names a message proves that it was sent, whatever the record says. */
export function proofsConformance(name: string, createFixture: () => Promise<StoreFixture>, survives: boolean): void {
  describe(`${name}: proofs`, () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });

    test.each(['unknown', 'not_sent', 'rejected'] as const)('%s becomes accepted by its id, once', async (status) => {
      await insertSending(store, newMessage('a'));
      const failure = { code: 'timeout', detail: 'no answer' };
      await store.complete('a', { status, failure, outcome: OUTCOME });
      expect(await tell(store, 'a', failed(T, '131026', { whatsappMessageId: 'wamid' }))).toMatchObject({
        resolved: status,
        after: { rank: 2 },
      });
      const message = await mustFind(store, 'a');
      expect(message).toMatchObject({ ...ACCEPTED, whatsappMessageId: 'wamid', delivery: { rank: 2 } });
      for (const gone of ['failure', 'content']) expect(message).not.toHaveProperty(gone);
      expect(await tell(store, 'a', delivered(T))).not.toHaveProperty('resolved');
      await fixture.advance(2 * HOUR_MS);
      expect(await store.takeDueLookups(10)).toEqual([]);
      expect(await store.complete('a', { status: 'rejected', outcome: OUTCOME })).toBe(false);
      expect(await store.counts()).toEqual({ ...NONE, scheduled: 0, accepted: 1 });
    });

    test('a match by content makes only an unknown message accepted', async () => {
      for (const status of ['unknown', 'not_sent', 'rejected'] as const)
        await insertFinished(store, newMessage(status), status);
      expect(await tell(store, 'unknown', sent(T), 'content')).toMatchObject({ resolved: 'unknown' });
      for (const status of ['not_sent', 'rejected'] as const) {
        expect(await tell(store, status, sent(T), 'content')).toEqual({ seq: expect.any(Number) });
        expect(await mustFind(store, status)).toMatchObject({ status, outcome: OUTCOME });
        expect(await mustFind(store, status)).not.toHaveProperty('delivery');
      }
    });

    test('an attempt with a match by content ends as it does, and may be requeued', async () => {
      for (const id of ['rejected', 'not_sent', 'unknown', 'back', 'also back']) {
        await insertSending(store, newMessage(id));
        expect(await tell(store, id, sent(T), 'content')).toEqual({ seq: expect.any(Number) });
      }
      expect(await store.complete('rejected', { status: 'rejected', outcome: OUTCOME })).toBe(true);
      const ends = (['not_sent', 'unknown'] as const).map((status) => ({ id: status, status, outcome: OUTCOME }));
      expect(await store.completeAll(ends)).toEqual(new Set(['not_sent', 'unknown']));
      expect(await store.requeue('back', 1)).toBe(true);
      expect(await store.requeueAll([{ id: 'also back', attempt: 1 }])).toEqual(new Set(['also back']));
      for (const id of ['rejected', 'not_sent', 'unknown', 'back', 'also back']) {
        expect(await mustFind(store, id)).not.toHaveProperty('delivery');
      }
    });

    test.each(['unknown', 'rejected', 'not_sent'] as const)(
      'an attempt that was proved before it ended as %s is accepted',
      async (status) => {
        for (const id of ['a', 'b', 'c']) {
          await insertSending(store, newMessage(id));
          expect(await tell(store, id, sent(T))).toMatchObject({ after: { rank: 1 } });
          expect(await tell(store, id, delivered(T))).not.toHaveProperty('resolved');
          expect(await mustFind(store, id)).toMatchObject({ status: 'sending', delivery: { rank: 3 } });
        }
        await insertSending(store, newMessage('unproved'));
        const end = { status, failure: { code: 'c', detail: 'd' }, outcome: OUTCOME } as const;
        expect(await store.complete('a', end)).toBe(false);
        const lostCall = { id: 'b', place: 0 };
        const group = ['b', 'c', 'unproved'].map((id) => ({ id, ...end, lostCall }));
        expect(await store.completeAll(group)).toEqual(new Set(['unproved']));
        for (const id of ['a', 'b', 'c']) {
          expect(await mustFind(store, id)).toMatchObject(ACCEPTED);
          expect(await mustFind(store, id)).not.toHaveProperty('failure');
        }
        await fixture.advance(2 * MINUTE_MS);
        expect(ids(await store.takeDueLookups(9))).toEqual(status === 'unknown' ? ['unproved'] : []);
      },
    );

    test('a stream that WATI has named is not deleted, however it ended', async () => {
      for (const id of ['a', 'b']) await insertSending(store, { ...newStream(id), quota: { perHour: 9 } });
      await tell(store, 'a', sent(T));
      expect([await store.deleteUnsent('a'), await store.deleteUnsent('b')]).toEqual([false, true]);
      expect((await store.quotaLeft('crm', { perHour: 9 })).left).toBe(8);
      await store.complete('a', { status: 'not_sent', outcome: OUTCOME });
      expect(await mustFind(store, 'a')).toMatchObject({ ...ACCEPTED, delivery: { rank: 1 } });
      expect(await store.deleteUnsent('a')).toBe(false);
    });

    test('an attempt that was answered as accepted keeps its answer', async () => {
      await insertSending(store, newMessage('a'));
      await tell(store, 'a', delivered(T));
      expect(await store.complete('a', { status: 'accepted', whatsappMessageId: 'w', outcome: OUTCOME })).toBe(true);
      expect(await mustFind(store, 'a')).toMatchObject({
        status: 'accepted',
        whatsappMessageId: 'w',
        outcome: OUTCOME,
      });
    });

    test('a message that was proved is not sent again, neither after a requeue nor before', async () => {
      for (const id of ['a', 'b']) {
        await insertSending(store, newMessage(id));
        await tell(store, id, sent(T));
      }
      expect(await store.requeue('a', 1)).toBe(false);
      expect(await store.requeueAll([{ id: 'b', attempt: 1 }])).toEqual(new Set());
      await insertSending(store, newMessage('late'));
      expect(await store.requeue('late', 1)).toBe(true);
      expect(await tell(store, 'late', sent(T))).toMatchObject({ resolved: 'queued' });
      for (const [id, attempt] of [
        ['a', 2],
        ['b', 2],
        ['late', 2],
      ] as const) {
        expect(await mustFind(store, id)).toMatchObject({ ...ACCEPTED, delivery: { rank: 1 } });
        expect(await store.claim(id, attempt)).toBe(false);
      }
      await fixture.advance(91 * 24 * HOUR_MS);
      while ((await store.purge(9)) > 0);
      expect(await store.counts()).toEqual({ ...NONE, scheduled: 0 });
    });

    test('recipients of a broadcast that were proved are counted as accepted, and it ends', async () => {
      await insertPublished(store, 'b', 4);
      await store.claimBatch('b', 4);
      for (const n of [0, 1, 2]) await tell(store, `b-${n}`, sent(T));
      await store.completeAll([
        { id: 'b-0', status: 'rejected', failure: { code: 'recipient', detail: 'd' }, outcome: OUTCOME },
        { id: 'b-1', status: 'unknown', outcome: OUTCOME },
        { id: 'b-3', status: 'rejected', failure: { code: 'recipient', detail: 'd' }, outcome: OUTCOME },
      ]);
      expect(await store.requeueAll([{ id: 'b-2', attempt: 1 }])).toEqual(new Set());
      expect(await store.countRejections('b')).toEqual({ recipient: 1 });
      await tell(store, 'b-3', sent(T));
      expect(await store.countRejections('b')).toEqual({});
      await store.sweepBroadcasts(9);
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ status: 'done', counts: { ...NONE, accepted: 4 } });
      expect(await store.deliveryCounts('b')).toMatchObject({ sent: 4 });
    });

    test.runIf(survives)('a message of a dead process becomes accepted if it was proved, else unknown', async () => {
      for (const id of ['proved', 'open']) await insertSending(store, newMessage(id));
      await tell(store, 'proved', delivered(T));
      await store.close();
      store = await fixture.open();
      expect(await store.recoverOrphans()).toEqual({ unknown: 1, lostStreams: 0 });
      expect(await mustFind(store, 'proved')).toMatchObject({ ...ACCEPTED, delivery: { rank: 3 } });
      expect(await mustFind(store, 'proved')).not.toHaveProperty('failure');
      expect(await mustFind(store, 'open')).toMatchObject({ status: 'unknown', failure: { code: 'owner-died' } });
      await fixture.advance(2 * MINUTE_MS);
      expect(ids(await store.takeDueLookups(9))).toEqual(['open']);
    });
  });
}
