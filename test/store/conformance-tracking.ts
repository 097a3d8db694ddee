import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DeliveryFacts } from '../../src/store/delivery-facts.ts';
import type { Store } from '../../src/store/open.ts';
import { joinFacts } from '../../src/tracking/delivery-state.ts';
import { insertPublished } from './broadcast-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { DAY_MS, ids, insertFinished, insertSending, mustFind, newMessage, OUTCOME } from './samples.ts';
import { delivered, failed, NO_BATCH, PROOF, read, sent, seqOf, tell } from './tracking-samples.ts';

const T = Date.parse('2026-11-30T10:00:00Z');

/** Messages are found by the ids in webhooks, and their state only moves forward. */
export function trackingConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: deliveries`, () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });

    test('finds a message by our id, else by that of WhatsApp, else by that of WATI, on its connection alone', async () => {
      await insertFinished(store, newMessage('a', { template: 't' }), 'accepted');
      await insertFinished(store, newMessage('b', { localMessageId: 'local b' }), 'accepted');
      await insertFinished(store, newMessage('elsewhere', { connectionId: 'c2' }), 'accepted');
      await store.insert(newMessage('queued'));
      await tell(store, 'a', sent(T, { whatsappMessageId: 'wamid a', watiId: 'wati a' }));
      const foundBy = async (...asked: Parameters<Store['findTracked']>[1]) =>
        (await store.findTracked('c1', asked)).map((each) => each && `${each.id} by ${each.foundBy}`);
      expect(
        await foundBy(
          { localMessageId: 'a' },
          { localMessageId: 'local b' },
          { localMessageId: 'b', whatsappMessageId: 'wamid a', watiId: 'wati a' },
          { localMessageId: 'nobody', whatsappMessageId: 'wamid a' },
          { watiId: 'wati a' },
          { whatsappMessageId: 'wamid b', watiId: 'wati b' },
          { localMessageId: 'elsewhere' },
          { localMessageId: 'queued' },
          {},
        ),
      ).toEqual([
        ...['a by local-id', 'b by local-id', 'b by local-id', 'a by whatsapp-id', 'a by wati-id'],
        ...[undefined, undefined, undefined, undefined],
      ]);
      expect(await store.findTracked('c1', [])).toEqual([]);
      expect((await store.findTracked('c1', [{ watiId: 'wati a' }]))[0]).toEqual({
        ...{ seq: expect.any(Number), id: 'a', caller: 'crm', status: 'accepted', kind: 'text', to: '14155551234' },
        ...{ template: 't', whatsappMessageId: 'wamid a', sentAt: expect.any(Number), foundBy: 'wati-id' },
        delivery: { rank: 1, sentAt: T, watiId: 'wati a', source: 'webhook', updatedAt: expect.any(Number) },
      });
    });

    test('finds a message without a WhatsApp id by template, recipient and time', async () => {
      const like = { recipient: '14155551234', template: 'welcome' };
      const template = { kind: 'template', template: 'welcome' } as const;
      for (const id of ['a', 'b', 'c']) await insertSending(store, newMessage(id, template));
      await insertSending(store, newMessage('other', { ...template, template: 'goodbye' }));
      await insertSending(store, newMessage('else', { ...template, connectionId: 'c2' }));
      await tell(store, 'c', sent(T, { whatsappMessageId: 'wamid c' }));
      const time = { from: Date.now() - 60_000, until: Date.now() + 60_000 };
      const candidates = await store.findByContent('c1', like, time);
      expect(candidates.map(({ id, foundBy }) => [id, foundBy])).toEqual([
        ['a', 'content'],
        ['b', 'content'],
      ]);
      expect(await store.findByContent('c1', like, { ...time, until: time.from })).toEqual([]);
      expect(await store.findByContent('c1', { ...like, recipient: '1' }, time)).toEqual([]);
    });

    test('returns what changed; known and late facts change nothing', async () => {
      await insertFinished(store, newMessage('a'), 'accepted');
      const stamp = { updatedAt: expect.any(Number), source: 'webhook' };
      expect(await tell(store, 'a', sent(T + 1))).toEqual({
        seq: expect.any(Number),
        after: { rank: 1, sentAt: T + 1, ...stamp },
      });
      expect(await tell(store, 'a', delivered(T + 2))).toMatchObject({
        before: { rank: 1, sentAt: T + 1 },
        after: { rank: 3, sentAt: T + 1, deliveredAt: T + 2 },
      });
      const last = await tell(store, 'a', delivered(T + 9));
      expect(last?.after).toEqual(last?.before);
      expect((await tell(store, 'a', failed(T + 3)))?.after).toEqual({
        ...{ rank: 3, sentAt: T + 1, deliveredAt: T + 2, failedAt: T + 3 },
        ...stamp,
      });
      expect((await mustFind(store, 'a')).delivery).toMatchObject({ rank: 3, failedAt: T + 3 });
      expect((await store.list('crm', {}, { limit: 9 })).messages[0]?.delivery).toMatchObject({ rank: 3 });
      const gone = { seq: 999_999, facts: sent(T), proof: 'id', outcome: PROOF } as const;
      expect(await store.applyTracking({ ...NO_BATCH, messages: [gone] })).toEqual([]);
      expect(await store.applyTracking(NO_BATCH)).toEqual([]);
    });

    test('in any order, number and grouping, the state is the join of its facts and never moves back', async () => {
      // Few values, so that there are many ties. The last two sort differently in UTF-16, and lower case sorts differently by locale.
      const word = fc.constantFrom('B', 'a', '\u{FFFD}', '\u{1F600}');
      const failure = fc.record({ code: word, detail: fc.oneof(fc.constant(''), word) });
      const at = fc.integer({ min: T, max: T + 1 });
      const source = fc.constantFrom('webhook' as const, 'poll' as const);
      const fact: fc.Arbitrary<DeliveryFacts> = fc.oneof(
        fc.tuple(at, word, word).map(([time, watiId, whatsappMessageId]) => sent(time, { watiId, whatsappMessageId })),
        fc.tuple(at, source).map(([time, from]) => sent(time, { source: from })),
        {
          weight: 6,
          arbitrary: fc
            .tuple(at, failure, source)
            .map(([time, why, from]) => failed(time, '', { source: from, failure: why })),
        },
        fc.tuple(at, source).map(([time, from]) => delivered(time, { source: from })),
        fc.tuple(at, source).map(([time, from]) => read(time, { source: from })),
        at.map((time) => delivered(time, { repliedAt: time })),
      );
      const messages = 4;
      const told = fc.array(fc.tuple(fc.integer({ min: 0, max: messages - 1 }), fact), {
        minLength: 20,
        maxLength: 40,
      });
      let round = 0;
      await fc.assert(
        fc.asyncProperty(told, fc.integer({ min: 1, max: 6 }), async (events, size) => {
          const names = Array.from({ length: messages }, (_, n) => `r${round}-${n}`);
          round++;
          await Promise.all(names.map((id) => insertFinished(store, newMessage(id), 'accepted')));
          const seqs = (
            await store.findTracked(
              'c1',
              names.map((localMessageId) => ({ localMessageId })),
            )
          ).map((each) => each?.seq ?? -1);
          const doubled = [...events, ...events.filter((_, n) => n % 2 === 0)];
          const batches = Array.from({ length: Math.ceil(doubled.length / size) }, (_, n) =>
            doubled.slice(n * size, (n + 1) * size),
          );
          const folded = batches.map((batch) =>
            [...Map.groupBy(batch, ([message]) => message)].map(([message, facts]) => ({
              seq: seqs[message] ?? -1,
              facts: facts.map(([, each]) => each).reduce(joinFacts),
              ...{ proof: 'id' as const, outcome: PROOF },
            })),
          );
          const moves = await Promise.all(folded.map((each) => store.applyTracking({ ...NO_BATCH, messages: each })));
          for (const { before, after } of moves.flat()) {
            expect(after?.rank).toBeGreaterThanOrEqual(before?.rank ?? 0);
          }
          for (const [message, id] of names.entries()) {
            const facts = events.filter(([of]) => of === message).map(([, each]) => each);
            const { delivery, whatsappMessageId } = await mustFind(store, id);
            const { updatedAt: _, ...known } = {
              ...delivery,
              ...(whatsappMessageId !== undefined && { whatsappMessageId }),
            };
            const joined: Partial<DeliveryFacts> = facts.length === 0 ? {} : facts.reduce(joinFacts);
            expect(known).toEqual(joined);
          }
        }),
        { numRuns: 8 },
      );
    });

    test('counts the recipients of a broadcast by their state, also when their records are deleted', async () => {
      await insertPublished(store, 'b', 6);
      await store.claimBatch('b', 6);
      await store.completeAll(
        Array.from({ length: 6 }, (_, n) => ({ id: `b-${n}`, status: 'accepted', outcome: OUTCOME })),
      );
      for (const n of [0, 1, 2, 3, 4]) await tell(store, `b-${n}`, sent(T));
      for (const n of [1, 2, 5]) await tell(store, `b-${n}`, delivered(T));
      await tell(store, 'b-2', read(T, { repliedAt: T }));
      await tell(store, 'b-2', read(T, { repliedAt: T }));
      await tell(store, 'b-3', failed(T));
      const counts = { sent: 2, failed: 1, delivered: 2, read: 1, replied: 1 };
      expect(await store.deliveryCounts('b')).toEqual(counts);
      expect(await store.deliveryCounts('nobody')).toEqual({ sent: 0, failed: 0, delivered: 0, read: 0, replied: 0 });
      const failures = await store.list('crm', { broadcastId: 'b', delivery: 'failed' }, { limit: 9 });
      expect(ids(failures.messages)).toEqual(['b-3']);
      const recipient = (await mustFind(store, 'b-3')).to ?? '';
      expect(await store.erasePerson('crm', recipient, 9)).toBe(1);
      expect(await store.deliveryCounts('b')).toEqual(counts);
    });

    test('lists by the state that messages are in', async () => {
      for (const id of ['none', 'sent', 'failed', 'delivered', 'read'])
        await insertFinished(store, newMessage(id), 'accepted');
      await insertFinished(store, newMessage('rejected'), 'rejected');
      await insertFinished(store, newMessage('others', { caller: 'shop' }), 'accepted');
      await tell(store, 'sent', sent(T));
      await tell(store, 'failed', failed(T));
      await tell(store, 'delivered', delivered(T, { repliedAt: T }));
      await tell(store, 'read', read(T));
      await tell(store, 'others', read(T));
      for (const delivery of ['none', 'sent', 'failed', 'delivered', 'read'] as const) {
        expect(ids((await store.list('crm', { delivery }, { limit: 9 })).messages), delivery).toEqual([delivery]);
        const toOne = { delivery, to: '14155551234' };
        expect(ids((await store.list('crm', toOne, { limit: 9 })).messages), delivery).toEqual([delivery]);
        expect(ids((await store.list('crm', { ...toOne, to: '1' }, { limit: 9 })).messages)).toEqual([]);
      }
      expect(ids((await store.list('crm', { delivery: 'replied' }, { limit: 9 })).messages)).toEqual(['delivered']);
      const page = await store.list('crm', { delivery: 'sent', status: 'rejected' }, { limit: 9 });
      expect(page.messages).toEqual([]);
      const all = await store.listMessagesOf(['crm', 'shop'], { delivery: 'read' }, { limit: 9 });
      expect(ids(all.messages)).toEqual(['others', 'read']);
    });

    test('deletes what is known of a delivery with its message', async () => {
      await insertFinished(store, newMessage('a'), 'accepted');
      await tell(store, 'a', read(T, { watiId: 'wati a' }));
      const seq = await seqOf(store, 'a');
      await fixture.advance(90 * DAY_MS);
      while ((await store.purge(10)) > 0);
      expect(await store.findTracked('c1', [{ localMessageId: 'a', watiId: 'wati a' }])).toEqual([undefined]);
      const late = { seq, facts: read(T), proof: 'id', outcome: PROOF } as const;
      expect(await store.applyTracking({ ...NO_BATCH, messages: [late] })).toEqual([]);
    });
  });
}
