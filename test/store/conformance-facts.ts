import { describe, expect, test } from 'vitest';
import { eventTypes } from '../../src/events/event-types.ts';
import type { PendingFact } from '../../src/store/event-store.ts';
import type { Store } from '../../src/store/open.ts';
import { insertPublished, sweepAll } from './broadcast-samples.ts';
import { newFact, recordAll } from './event-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { insertFinished, insertSending, newMessage, OUTCOME } from './samples.ts';
import { delivered, failed, NO_BATCH, PROOF, read, sent, seqOf, tell } from './tracking-samples.ts';

const T = Date.parse('2026-11-30T10:00:00Z');
const ALL = [{ caller: 'crm', types: eventTypes }];

/** Changes are recorded as facts for subscribed callers. */
export function factsConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: writes facts down`, () => {
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      store = opened.store;
    });

    /** Returns all pending facts as `type fact-without-number from>to`. */
    const told = async (): Promise<string[]> => (await store.pendingFacts(1_000)).map(wordsOf);
    const wordsOf = ({ type, change, outcome }: PendingFact): string =>
      [
        type,
        ...(change ? [`${change.from ?? ''}>${change.to}${change.implied ? ' implied' : ''}`] : []),
        ...(outcome ? [outcome.status] : []),
      ].join(' ');
    const note = (...facts: string[]) =>
      store.applyTracking({ ...NO_BATCH, facts: facts.map((fact, n) => newFact(fact, { at: 1_000 + n })) });
    test('are written for those who asked for their type, and for nobody else', async () => {
      await store.setSubscriptions([
        { caller: 'crm', types: ['message.accepted', 'message.delivered', 'message.received'] },
        { caller: 'shop', types: ['message.read'] },
      ]);
      await insertFinished(store, newMessage('a'), 'accepted');
      await insertFinished(store, newMessage('b'), 'rejected');
      await insertFinished(store, newMessage('s', { caller: 'shop' }), 'accepted');
      await insertFinished(store, newMessage('n', { caller: 'nobody' }), 'accepted');
      for (const id of ['a', 's', 'n']) await tell(store, id, read(T));
      const facts = ['crm', 'shop', 'nobody'].flatMap((caller) =>
        ['message.received', 'message.clicked'].map((type) => newFact('f', { caller, type })),
      );
      await store.applyTracking({ ...NO_BATCH, facts });
      const waiting = await store.pendingFacts(99);
      expect(waiting.map(({ caller, type }) => `${caller} ${type}`)).toEqual([
        ...['crm message.accepted', 'crm message.delivered', 'shop message.read', 'crm message.received'],
      ]);
    });

    test('have their message as it stands, and its outcome as it was', async () => {
      await store.setSubscriptions(ALL);
      await insertSending(store, newMessage('a'));
      await store.complete('a', { status: 'unknown', outcome: 'first' });
      const seq = await seqOf(store, 'a');
      await tell(store, 'a', sent(T));
      const [unknown, resolved, moved] = await store.pendingFacts(99);
      const about = {
        caller: 'crm',
        connectionId: 'c1',
        contact: '14155551234',
        sendSeq: seq,
        at: expect.any(Number),
      };
      const message = expect.objectContaining({
        id: 'a',
        status: 'accepted',
        delivery: expect.objectContaining({ rank: 1 }),
      });
      expect(unknown).toEqual({
        ...{ ...about, message, seq: expect.any(Number), type: 'message.unknown', fact: `m:${seq}:unknown` },
        outcome: { status: 'unknown', verdict: 'first' },
      });
      expect(resolved).toEqual({
        ...{
          ...about,
          message,
          seq: expect.any(Number),
          type: 'message.resolved',
          fact: `m:${seq}:resolved:accepted`,
        },
        ...{ change: { from: 'unknown', to: 'accepted' }, outcome: { status: 'accepted', verdict: PROOF } },
      });
      expect(moved).toEqual({
        ...{ ...about, message, seq: expect.any(Number), type: 'message.sent', fact: `m:${seq}:sent` },
        change: { to: 'sent' },
      });
    });

    test.each(['accepted', 'rejected', 'not_sent', 'unknown'] as const)(
      'tell of an outcome once: %s',
      async (status) => {
        await store.setSubscriptions(ALL);
        await insertFinished(store, newMessage('a'), status);
        await store.complete('a', { status, outcome: OUTCOME });
        await insertSending(store, newMessage('requeued'));
        await store.requeue('requeued', 1);
        await store.complete('requeued', { status: 'cancelled', outcome: null });
        expect(await told()).toEqual([`message.${status} ${status}`]);
      },
    );

    test('tell of each later outcome that it was resolved', async () => {
      await store.setSubscriptions(ALL);
      await insertFinished(store, newMessage('a'), 'unknown');
      await store.complete('a', { status: 'not_sent', outcome: OUTCOME });
      await tell(store, 'a', delivered(T));
      await insertFinished(store, newMessage('b'), 'unknown');
      await store.markReconciled('b', { outcome: PROOF });
      expect(await told()).toEqual([
        ...['message.unknown unknown', 'message.resolved unknown>not_sent not_sent'],
        ...['message.resolved not_sent>accepted accepted', 'message.delivered >delivered'],
        ...['message.unknown unknown', 'message.resolved unknown>accepted accepted'],
      ]);
      const events = await recordAll(store);
      expect(events).toHaveLength(6);
    });

    test.each([
      [
        'one by one',
        [sent(T), delivered(T + 1), read(T + 2)],
        ['sent >sent', 'delivered sent>delivered', 'read delivered>read'],
      ],
      ['read alone', [read(T)], ['delivered >delivered implied', 'read delivered>read']],
      [
        'a reply alone',
        [delivered(T, { repliedAt: T })],
        ['delivered >delivered implied', 'replied delivered>replied'],
      ],
      [
        'a reply to what was read',
        [read(T), delivered(T + 1, { repliedAt: T + 1 })],
        ['delivered >delivered implied', 'read delivered>read', 'replied read>replied'],
      ],
      ['a failure', [sent(T), failed(T + 1), sent(T - 1)], ['sent >sent', 'failed sent>failed']],
      ['a delivery after a failure', [failed(T), delivered(T + 1)], ['failed >failed', 'delivered failed>delivered']],
      ['a failure after the delivery', [delivered(T), failed(T + 1)], ['delivered >delivered']],
      ['the same again', [delivered(T), delivered(T), delivered(T - 1)], ['delivered >delivered']],
      [
        'all at once',
        [read(T + 3, { sentAt: T, failedAt: T + 1, deliveredAt: T + 2, repliedAt: T + 4 })],
        [
          'sent >sent',
          'failed sent>failed',
          'delivered failed>delivered',
          'read delivered>read',
          'replied read>replied',
        ],
      ],
    ])('tell of deliveries in the order of their ranks: %s', async (_, facts, expected) => {
      await store.setSubscriptions(ALL);
      await insertFinished(store, newMessage('a'), 'accepted');
      for (const each of facts) await tell(store, 'a', each);
      expect((await told()).slice(1)).toEqual(expected.map((words) => `message.${words}`));
    });

    test('tell of the end of a broadcast once, and of its recipients', async () => {
      await store.setSubscriptions(ALL);
      await insertPublished(store, 'b', 2);
      await store.claimBatch('b', 2);
      await store.completeAll(['b-0', 'b-1'].map((id) => ({ id, status: 'accepted', outcome: OUTCOME })));
      await sweepAll(store);
      await sweepAll(store);
      expect(await told()).toEqual([...Array(2).fill('message.accepted accepted'), 'broadcast.finished']);
      expect((await store.pendingFacts(9)).at(-1)).toMatchObject({
        fact: 'b:b',
        broadcastId: 'b',
        connectionId: 'c1',
      });
    });

    test('keep their detail, and one about a message that is gone is passed over', async () => {
      await store.setSubscriptions(ALL);
      await insertFinished(store, newMessage('a'), 'accepted');
      const sendSeq = await seqOf(store, 'a');
      await recordAll(store);
      const detail = { text: 'ñ 你好 \u0000 "\\ \uD800', at: 7 };
      const facts = [newFact('in:1', { detail, contact: '491', sendSeq }), newFact('in:2', { sendSeq: 999_999 })];
      await store.applyTracking({ ...NO_BATCH, facts });
      expect(await store.pendingFacts(9)).toEqual([
        {
          ...{ ...newFact('in:1'), seq: expect.any(Number), contact: '491', sendSeq, detail },
          message: expect.objectContaining({ id: 'a' }),
        },
      ]);
    });

    test('go with their message, and where nobody asks for them any more', async () => {
      await store.setSubscriptions(ALL);
      await insertFinished(store, newMessage('a'), 'accepted');
      await note('in:1', 'in:2');
      await store.erasePerson('crm', '14155551234', 9);
      expect(await told()).toEqual(['message.received', 'message.received']);
      await store.setSubscriptions([{ caller: 'crm', types: ['message.sent'] }]);
      expect(await told()).toEqual([]);
    });
  });
}
