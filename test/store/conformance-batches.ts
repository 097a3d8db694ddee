import { describe, expect, test } from 'vitest';
import type { Completion, MessageStore } from '../../src/store/message-store.ts';
import type { Store } from '../../src/store/open.ts';
import { MAC } from './broadcast-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { insertFinished, insertSending, mustFind, newMessage, OUTCOME } from './samples.ts';

/** Creates a message in each state, under a fresh id. */
const STANDING: Readonly<Record<string, (store: MessageStore, id: string) => Promise<unknown>>> = {
  nowhere: async () => undefined,
  queued: (store, id) => store.insert(newMessage(id)),
  sending: (store, id) => insertSending(store, newMessage(id)),
  retreated: async (store, id) => {
    await insertSending(store, newMessage(id));
    await store.requeue(id, 1);
  },
  cancelled: async (store, id) => {
    await store.insert(newMessage(id));
    await store.complete(id, { status: 'cancelled', outcome: null });
  },
  accepted: (store, id) => insertFinished(store, newMessage(id), 'accepted'),
  rejected: (store, id) => insertFinished(store, newMessage(id), 'rejected'),
  not_sent: (store, id) => insertFinished(store, newMessage(id), 'not_sent'),
  unknown: (store, id) => insertFinished(store, newMessage(id, { localMessageId: 'mine' }), 'unknown'),
};

const AT = '2026-03-01T12:00:00.000Z';
const settlement = (status: Completion['status']): Completion => ({ status, outcome: OUTCOME, at: AT });

/** Each operation on one row, and the same operation on a batch of one. */
const VERBS: Readonly<
  Record<
    string,
    [(store: MessageStore, id: string) => Promise<boolean>, (store: MessageStore, id: string) => Promise<boolean>]
  >
> = Object.fromEntries([
  ...[1, 2].map((attempt) => [
    `begin ${attempt}`,
    [
      (store: MessageStore, id: string) => store.claim(id, attempt),
      async (store: MessageStore, id: string) => (await store.claimAll([{ id, attempt }])).has(id),
    ],
  ]),
  ...[1, 2].map((attempt) => [
    `retreat ${attempt}`,
    [
      (store: MessageStore, id: string) => store.requeue(id, attempt),
      async (store: MessageStore, id: string) => (await store.requeueAll([{ id, attempt }])).has(id),
    ],
  ]),
  ...(['accepted', 'rejected', 'not_sent', 'unknown', 'cancelled'] as const).map((status) => [
    `settle ${status}`,
    [
      (store: MessageStore, id: string) => store.complete(id, settlement(status)),
      async (store: MessageStore, id: string) => (await store.completeAll([{ id, ...settlement(status) }])).has(id),
    ],
  ]),
]);

/** Operations on batches do to each row what the operations on single rows do. */
export function batchConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: transitions of several messages`, () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });

    test.each(Object.entries(VERBS))('%s does to several messages what it does to one', async (_, [toOne, toAll]) => {
      for (const [standing, stand] of Object.entries(STANDING)) {
        const [one, all] = [`${standing}-1`, `${standing}-2`];
        await stand(store, one);
        await stand(store, all);
        const said = [await toOne(store, one), await toAll(store, all)];
        expect(said[1], `from ${standing}`).toBe(said[0]);
        const timeless = { createdAt: '', updatedAt: '', sentAt: '', id: '', content: '' };
        const [left, right] = [await store.find('crm', one), await store.find('crm', all)];
        expect({ ...right, ...timeless }, `from ${standing}`).toEqual({ ...left, ...timeless });
        expect(right?.content === undefined, `the content of ${standing}`).toBe(left?.content === undefined);
      }
    });

    test('claims those messages that may be sent, and returns their ids', async () => {
      for (const id of ['a', 'b', 'c', 'd']) await store.insert(newMessage(id));
      await insertSending(store, newMessage('again'));
      await store.complete('c', { status: 'cancelled', outcome: null });
      const marks = ['d', 'c', 'b', 'a', 'again', 'nobody'].map((id) => ({ id, attempt: id === 'd' ? 2 : 1 }));
      expect(await store.claimAll(marks)).toEqual(new Set(['a', 'b', 'again']));
      expect(await mustFind(store, 'a')).toMatchObject({ status: 'sending', attempts: 1, sentAt: expect.any(String) });
      expect(await mustFind(store, 'd')).toMatchObject({ status: 'queued', attempts: 0 });
      expect(await store.counts()).toMatchObject({ queued: 1, sending: 3, cancelled: 1 });
    });

    test('two concurrent claims of the same messages claim each once', async () => {
      const group = Array.from({ length: 50 }, (_, n) => ({ id: `s${n}`, attempt: 1 }));
      for (const { id } of group) await store.insert(newMessage(id));
      const [first, second] = await Promise.all([
        store.claimAll(group),
        store.claimAll(group.map(({ id }) => ({ id, attempt: 2 }))),
      ]);
      expect([first.size, second.size]).toEqual([50, 0]);
    });

    test('completes each message with its own outcome', async () => {
      for (const id of ['a', 'b', 'c']) await insertSending(store, newMessage(id));
      const odd = 'ñ \u{1F600} "quoted" \\ \0 \uD800';
      const settled = await store.completeAll([
        { id: 'a', status: 'accepted', whatsappMessageId: 'w', localMessageId: 'l', outcome: { odd }, at: AT },
        { id: 'b', status: 'rejected', failure: { code: 'no', detail: odd }, outcome: null, fingerprint: 'f' },
        { id: 'c', status: 'unknown', outcome: [1, true, odd] },
        { id: 'nobody', status: 'accepted', outcome: null },
      ]);
      expect(settled).toEqual(new Set(['a', 'b', 'c']));
      const a = await mustFind(store, 'a');
      expect(a).toMatchObject({ status: 'accepted', whatsappMessageId: 'w', localMessageId: 'l', updatedAt: AT });
      expect([a.outcome, a.content, a.failure]).toEqual([{ odd }, undefined, undefined]);
      expect(await mustFind(store, 'b')).toMatchObject({
        status: 'rejected',
        failure: { code: 'no', detail: 'ñ \u{1F600} "quoted" \\ \uFFFD \uFFFD' },
        outcome: null,
        contentMac: MAC,
      });
      expect(await mustFind(store, 'c')).toMatchObject({
        status: 'unknown',
        outcome: [1, true, odd],
        content: { text: 'c' },
      });
      await fixture.advance(60_000);
      expect((await store.takeDueLookups(10)).map(({ id }) => id)).toEqual(['c']);
    });

    test('accepts a thousand at once, and none', async () => {
      const ids = Array.from({ length: 1_000 }, (_, n) => `s${n}`);
      const marks = (attempt: number) => ids.map((id) => ({ id, attempt }));
      await Promise.all(ids.map((id) => store.insert(newMessage(id))));
      expect((await store.claimAll(marks(1))).size).toBe(1_000);
      expect((await store.requeueAll(marks(1))).size).toBe(1_000);
      expect((await store.claimAll(marks(2))).size).toBe(1_000);
      expect((await store.completeAll(ids.map((id) => ({ id, ...settlement('accepted') })))).size).toBe(1_000);
      expect(await store.counts()).toMatchObject({ queued: 0, sending: 0, accepted: 1_000 });
      expect([await store.claimAll([]), await store.requeueAll([]), await store.completeAll([])]).toEqual([
        new Set(),
        new Set(),
        new Set(),
      ]);
    });

    test('refuses an invalid time before anything is written', async () => {
      await insertSending(store, newMessage('a'));
      const wrong = { id: 'a', ...settlement('accepted'), at: 'yesterday' };
      await expect((async () => store.completeAll([wrong]))()).rejects.toThrow(RangeError);
      expect(await mustFind(store, 'a')).toMatchObject({ status: 'sending' });
    });
  });
}
