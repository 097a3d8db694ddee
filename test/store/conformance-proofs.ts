import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import { NONE, released } from './broadcast-samples.ts';
import type { Home } from './fixture.ts';
import { aSend, ended, found, HOUR_MS, ids, MINUTE_MS, sending, VERDICT } from './samples.ts';
import { delivered, failed, PROOF, sent, tell } from './tracking-samples.ts';

const T = Date.parse('2026-11-30T10:00:00Z');
const ACCEPTED = { status: 'accepted', outcome: PROOF };

/** What WATI names by its id was sent, whatever is on record. */
export function proofsConformance(name: string, makeHome: () => Promise<Home>, survives: boolean): void {
  describe(`${name}: proofs`, () => {
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

    test.each(['unknown', 'not_sent', 'rejected'] as const)('%s becomes accepted by its id, once', async (status) => {
      await sending(store, aSend('a'));
      const failure = { code: 'timeout', detail: 'no answer' };
      await store.complete('a', { status, failure, outcome: VERDICT });
      expect(await tell(store, 'a', failed(T, '131026', { whatsappMessageId: 'wamid' }))).toMatchObject({
        resolved: status,
        after: { rank: 2 },
      });
      const message = await found(store, 'a');
      expect(message).toMatchObject({ ...ACCEPTED, whatsappMessageId: 'wamid', delivery: { rank: 2 } });
      for (const gone of ['failure', 'call']) expect(message).not.toHaveProperty(gone);
      expect(await tell(store, 'a', delivered(T))).not.toHaveProperty('resolved');
      await home.age(2 * HOUR_MS);
      expect(await store.takeDueLookups(10)).toEqual([]);
      expect(await store.complete('a', { status: 'rejected', outcome: VERDICT })).toBe(false);
      expect(await store.counts()).toEqual({ ...NONE, accepted: 1 });
    });

    test('of what is only believed to be it, no more than an unknown one becomes accepted', async () => {
      for (const status of ['unknown', 'not_sent', 'rejected'] as const) await ended(store, aSend(status), status);
      expect(await tell(store, 'unknown', sent(T), 'content')).toMatchObject({ resolved: 'unknown' });
      for (const status of ['not_sent', 'rejected'] as const) {
        expect(await tell(store, status, sent(T), 'content')).toEqual({ seq: expect.any(Number) });
        expect(await found(store, status)).toMatchObject({ status, outcome: VERDICT });
        expect(await found(store, status)).not.toHaveProperty('delivery');
      }
    });

    test.each(['unknown', 'rejected', 'not_sent'] as const)(
      'an attempt that was proved before it ended as %s has ended as accepted',
      async (status) => {
        for (const id of ['a', 'b', 'c']) {
          await sending(store, aSend(id));
          expect(await tell(store, id, sent(T))).toMatchObject({ after: { rank: 1 } });
          expect(await tell(store, id, delivered(T))).not.toHaveProperty('resolved');
          expect(await found(store, id)).toMatchObject({ status: 'sending', delivery: { rank: 3 } });
        }
        await sending(store, aSend('unproved'));
        const end = { status, failure: { code: 'c', detail: 'd' }, outcome: VERDICT } as const;
        expect(await store.complete('a', end)).toBe(false);
        const lostCall = { id: 'b', place: 0 };
        const group = ['b', 'c', 'unproved'].map((id) => ({ id, ...end, lostCall }));
        expect(await store.completeAll(group)).toEqual(new Set(['unproved']));
        for (const id of ['a', 'b', 'c']) {
          expect(await found(store, id)).toMatchObject(ACCEPTED);
          expect(await found(store, id)).not.toHaveProperty('failure');
        }
        await home.age(2 * MINUTE_MS);
        expect(ids(await store.takeDueLookups(9))).toEqual(status === 'unknown' ? ['unproved'] : []);
      },
    );

    test('an attempt that is answered as accepted keeps its answer', async () => {
      await sending(store, aSend('a'));
      await tell(store, 'a', delivered(T));
      expect(await store.complete('a', { status: 'accepted', whatsappMessageId: 'w', outcome: VERDICT })).toBe(true);
      expect(await found(store, 'a')).toMatchObject({ status: 'accepted', whatsappMessageId: 'w', outcome: VERDICT });
    });

    test('what was proved is not sent again: neither an attempt that is taken back nor one that was', async () => {
      for (const id of ['a', 'b']) {
        await sending(store, aSend(id));
        await tell(store, id, sent(T));
      }
      expect(await store.requeue('a', 1)).toBe(false);
      expect(await store.requeueAll([{ id: 'b', attempt: 1 }])).toEqual(new Set());
      await sending(store, aSend('late'));
      expect(await store.requeue('late', 1)).toBe(true);
      expect(await tell(store, 'late', sent(T))).toMatchObject({ resolved: 'queued' });
      for (const [id, attempt] of [
        ['a', 2],
        ['b', 2],
        ['late', 2],
      ] as const) {
        expect(await found(store, id)).toMatchObject({ ...ACCEPTED, delivery: { rank: 1 } });
        expect(await store.claim(id, attempt)).toBe(false);
      }
      await home.age(91 * 24 * HOUR_MS);
      while ((await store.purge(9)) > 0);
      expect(await store.counts()).toEqual(NONE);
    });

    test('recipients of a broadcast that were proved are counted as accepted, and it ends', async () => {
      await released(store, 'b', 4);
      await store.claimBatch('b', 4);
      for (const n of [0, 1, 2]) await tell(store, `b-${n}`, sent(T));
      await store.completeAll([
        { id: 'b-0', status: 'rejected', failure: { code: 'recipient', detail: 'd' }, outcome: VERDICT },
        { id: 'b-1', status: 'unknown', outcome: VERDICT },
        { id: 'b-3', status: 'rejected', failure: { code: 'recipient', detail: 'd' }, outcome: VERDICT },
      ]);
      expect(await store.requeueAll([{ id: 'b-2', attempt: 1 }])).toEqual(new Set());
      expect(await store.countRejections('b')).toEqual({ recipient: 1 });
      await tell(store, 'b-3', sent(T));
      expect(await store.countRejections('b')).toEqual({});
      await store.sweepBroadcasts(9);
      expect(await store.findBroadcast('crm', 'b')).toMatchObject({ status: 'done', counts: { ...NONE, accepted: 4 } });
      expect(await store.deliveryCounts('b')).toMatchObject({ sent: 4 });
    });

    test.runIf(survives)('what a dead process was sending is accepted if it was proved, else unknown', async () => {
      for (const id of ['proved', 'open']) await sending(store, aSend(id));
      await tell(store, 'proved', delivered(T));
      await store.close();
      store = await home.open();
      expect(await store.recoverOrphans()).toEqual({ unknown: 1, lostStreams: 0 });
      expect(await found(store, 'proved')).toMatchObject({ ...ACCEPTED, delivery: { rank: 3 } });
      expect(await found(store, 'proved')).not.toHaveProperty('failure');
      expect(await found(store, 'open')).toMatchObject({ status: 'unknown', failure: { code: 'owner-died' } });
      await home.age(2 * MINUTE_MS);
      expect(ids(await store.takeDueLookups(9))).toEqual(['open']);
    });
  });
}
