import { describe, expect, test } from 'vitest';
import { eventTypes } from '../../src/events/event-types.ts';
import type { Store } from '../../src/store/open.ts';
import { eventOf, newFact, recordAll } from './event-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { DAY_MS, insertFinished, newMessage } from './samples.ts';
import { NO_BATCH } from './tracking-samples.ts';

const ALL = [{ caller: 'crm', types: eventTypes }];

/** Facts become events, which are read by number. */
export function eventsConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: records events`, () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });

    const note = (...facts: string[]) =>
      store.applyTracking({ ...NO_BATCH, facts: facts.map((fact, n) => newFact(fact, { at: 1_000 + n })) });
    const page = async (caller: string, ask: Parameters<Store['readEvents']>[1]) => {
      const { events, ...more } = await store.readEvents(caller, ask);
      return { facts: events.map(({ fact }) => fact), ...more };
    };

    test('are numbered in their order, once for each fact, and their bytes stay', async () => {
      await store.setSubscriptions(ALL);
      const { epoch, ...positions } = await store.eventPositions('crm');
      expect([epoch, positions]).toEqual([expect.stringMatching(/^[\w-]{12}$/), { last: 0, purged: 0 }]);
      await note('in:1', 'in:2', 'in:2', 'in:3');
      const facts = await store.pendingFacts(9);
      const data = '{"text":"ñ 你好 \\u0000 \\ud800 \\"\\\\",  "spaced" : 1}';
      const events = facts.toReversed().map((fact) => eventOf(fact, { data, contact: '491' }));
      const stored = await store.recordEvents(events, []);
      expect(stored.map(({ seq, fact }) => `${seq} ${fact}`)).toEqual(['1 in:3', '2 in:2', '3 in:1']);
      expect(await store.pendingFacts(9)).toEqual([]);
      expect((await store.readEvents('crm', { after: 0, limit: 9 })).events).toEqual(stored);
      expect(await store.findEvent('crm', stored[0]?.id ?? '')).toEqual({ ...stored[0], data, contact: '491' });
      expect(await store.findEvent('shop', stored[0]?.id ?? '')).toBeUndefined();
      expect(await store.eventPositions('crm')).toEqual({ epoch, last: 3, purged: 0 });
    });

    test('of a fact that was told, or taken out, are not made again', async () => {
      await store.setSubscriptions(ALL);
      await note('in:1', 'in:2', 'in:3');
      const [one, two, three] = (await store.pendingFacts(9)).map((fact) => eventOf(fact));
      if (!one || !two || !three) throw new Error('no facts');
      expect(await store.recordEvents([one], [three.factSeq])).toHaveLength(1);
      expect(await store.recordEvents([one, two, three], [])).toMatchObject([{ seq: 2, fact: 'in:2' }]);
      await note('in:1', 'in:4');
      expect((await store.pendingFacts(9)).map(({ fact }) => fact)).toEqual(['in:4']);
      expect(await store.recordEvents([], [])).toEqual([]);
      expect(await recordAll(store)).toMatchObject([{ seq: 3, fact: 'in:4' }]);
    });

    test('have the contact of their message', async () => {
      await store.setSubscriptions(ALL);
      await insertFinished(store, newMessage('a'), 'accepted');
      expect(await recordAll(store)).toMatchObject([{ contact: '14155551234' }]);
      expect((await store.readNewEvents(['crm'], { after: 0, limit: 9 }))[0]).toMatchObject({
        contact: '14155551234',
      });
    });

    test('are read by caller, type and connection, and a page says how far it looked', async () => {
      await store.setSubscriptions([...ALL, { caller: 'shop', types: eventTypes }]);
      const facts = Array.from({ length: 12 }, (_, n) =>
        newFact(`f${n}`, {
          caller: n % 4 === 3 ? 'shop' : 'crm',
          type: n % 2 === 0 ? 'message.received' : 'message.clicked',
          connectionId: n < 6 ? 'c1' : 'c2',
        }),
      );
      await store.applyTracking({ ...NO_BATCH, facts });
      await recordAll(store);
      expect(await page('crm', { after: 0, limit: 2 })).toEqual({ facts: ['f0', 'f1'], scannedTo: 2, hasMore: true });
      expect(await page('crm', { after: 2, limit: 99 })).toEqual({
        ...{ facts: ['f2', 'f4', 'f5', 'f6', 'f8', 'f9', 'f10'], scannedTo: 11, hasMore: false },
      });
      const clicked = ['message.clicked', 'message.sent'];
      expect(await page('crm', { after: 2, limit: 9, types: clicked })).toEqual({
        ...{ facts: ['f5', 'f9'], scannedTo: 11, hasMore: false },
      });
      expect(await page('crm', { after: 2, limit: 1, types: clicked })).toEqual({
        facts: ['f5'],
        scannedTo: 6,
        hasMore: true,
      });
      expect(await page('crm', { after: 0, limit: 9, types: [] })).toEqual({
        facts: [],
        scannedTo: 11,
        hasMore: false,
      });
      expect(await page('crm', { after: 3, limit: 9, connectionId: 'c1' })).toMatchObject({
        facts: ['f4', 'f5'],
        scannedTo: 11,
      });
      expect(await page('crm', { after: 11, limit: 9 })).toEqual({ facts: [], scannedTo: 11, hasMore: false });
      expect(await page('nobody', { after: 5, limit: 9 })).toEqual({ facts: [], scannedTo: 5, hasMore: false });
      const found = async (callers: string[], after: number, limit = 99) =>
        (await store.readNewEvents(callers, { after, limit })).map(({ fact }) => fact);
      expect(await found(['crm', 'shop', 'crm', 'nobody'], 8)).toEqual(['f8', 'f9', 'f10', 'f11']);
      expect(await found(['shop', 'crm'], 1, 3)).toEqual(['f1', 'f2', 'f3']);
      expect(await found(['shop'], 0)).toEqual(['f3', 'f7', 'f11']);
      expect(await found([], 0)).toEqual([]);
    });

    test('that are rare are found page by page, each of which looks at a bounded number', async () => {
      await store.setSubscriptions(ALL);
      for (let n = 0; n < 10; n++) {
        const facts = Array.from({ length: 500 }, (_, m) =>
          newFact(`${n}.${m}`, n * 500 + m === 4_500 ? { type: 'message.clicked' } : {}),
        );
        await store.applyTracking({ ...NO_BATCH, facts });
        await recordAll(store);
      }
      const pages: unknown[] = [];
      for (let after = 0, hasMore = true; hasMore; ) {
        const next = await page('crm', { after, limit: 9, types: ['message.clicked'] });
        pages.push([next.scannedTo, ...next.facts]);
        ({ scannedTo: after, hasMore } = next);
      }
      expect(pages).toEqual([[2_000], [4_000], [5_000, '9.0']]);
    });

    test('are found by time, and nothing later is left behind', async () => {
      await store.setSubscriptions([...ALL, { caller: 'shop', types: eventTypes }]);
      const at = [100, 200, 190, 300];
      const facts = at.map((time, n) => newFact(`f${n}`, { at: time }));
      await store.applyTracking({ ...NO_BATCH, facts: [newFact('s', { caller: 'shop', at: 50 }), ...facts] });
      await recordAll(store);
      const before = (times: number[]) => Promise.all(times.map((time) => store.eventBefore('crm', time)));
      expect(await before([99, 100, 189, 190, 199, 200, 299, 300, 999])).toEqual([0, 2, 2, 2, 2, 4, 4, 5, 5]);
      expect(await store.eventBefore('nobody', 999)).toBe(0);
    });

    test('are found, handed over and erased with the person, under whichever of its ids', async () => {
      await store.setSubscriptions([...ALL, { caller: 'shop', types: eventTypes }]);
      const [phone, bsuid] = ['14155551234', 'US.1'];
      await store.noteConversations([{ connectionId: 'c1', contact: { phone, bsuid }, inAt: 1 }]);
      await insertFinished(store, newMessage('a', { to: phone }), 'accepted');
      const about = (fact: string, contact: string, more: object = {}) => newFact(fact, { contact, ...more });
      await store.applyTracking({
        ...NO_BATCH,
        facts: [about('in:1', bsuid), about('in:2', bsuid, { caller: 'shop' }), about('in:3', 'US.2'), newFact('t:1')],
      });
      await recordAll(store);
      await store.applyTracking({ ...NO_BATCH, facts: [about('in:4', bsuid), about('in:5', 'US.2')] });
      expect(await store.countPersonTracking(phone)).toEqual({ conversations: 1, waiting: 0, events: 4 });
      const [first, ...more] = await store.listPersonEvents(phone, { after: 0, limit: 9 });
      expect([first, ...more].map((event) => event?.type)).toEqual([
        ...['message.accepted', 'message.received', 'message.received'],
      ]);
      expect(await store.listPersonEvents(bsuid, { after: first?.seq ?? 0, limit: 1 })).toEqual(more.slice(0, 1));
      expect(await store.erasePersonTracking(phone)).toBe(1 + 3 + 1);
      expect(await store.erasePersonTracking(phone)).toBe(0);
      expect((await store.pendingFacts(9)).map(({ fact }) => fact)).toEqual(['in:5']);
      expect(await page('crm', { after: 0, limit: 9 })).toMatchObject({ facts: ['in:3', 't:1'] });
      expect(await page('shop', { after: 0, limit: 9 })).toMatchObject({ facts: [] });
      expect(await store.eventPositions('crm')).toMatchObject({ last: 5, purged: 0 });
    });

    test('outlive the process, as do their numbers, the epoch and the subscriptions', async () => {
      await store.setSubscriptions(ALL);
      await note('in:1', 'in:2');
      const [first] = await store.pendingFacts(1);
      const recorded = await store.recordEvents(first ? [eventOf(first)] : [], []);
      const positions = await store.eventPositions('crm');
      await store.close();
      store = await fixture.open();
      expect(await store.eventPositions('crm')).toEqual(positions);
      expect((await store.readEvents('crm', { after: 0, limit: 9 })).events).toEqual(recorded);
      await note('in:3');
      expect((await recordAll(store)).map(({ seq, fact }) => `${seq} ${fact}`)).toEqual(['2 in:2', '3 in:3']);
    });

    test('are purged with the records, seven days after they were recorded', async () => {
      await store.setSubscriptions(ALL);
      await note('in:1');
      await recordAll(store);
      await fixture.advance(7 * DAY_MS - 60_000);
      expect(await store.purge(9)).toBe(0);
      await fixture.advance(60_000);
      expect(await store.purge(9)).toBe(1);
      expect(await store.eventPositions('crm')).toMatchObject({ last: 1, purged: 1 });
    });

    test('are deleted by age, in batches, and it is noted how far for whom', async () => {
      await store.setSubscriptions([...ALL, { caller: 'shop', types: eventTypes }]);
      await store.applyTracking({ ...NO_BATCH, facts: [newFact('s', { caller: 'shop' })] });
      await note('in:1', 'in:2', 'in:3');
      await recordAll(store);
      await fixture.advance(DAY_MS);
      await note('in:4');
      await recordAll(store);
      const purged = async () =>
        Promise.all(['crm', 'shop', 'nobody'].map(async (caller) => (await store.eventPositions(caller)).purged));
      expect([await store.expireEvents(2 * DAY_MS, 99), await purged()]).toEqual([0, [0, 0, 0]]);
      expect([await store.expireEvents(DAY_MS, 2), await purged()]).toEqual([2, [2, 1, 0]]);
      expect([await store.expireEvents(DAY_MS, 99), await purged()]).toEqual([2, [4, 1, 0]]);
      expect(await store.expireEvents(DAY_MS, 99)).toBe(0);
      expect(await page('crm', { after: 0, limit: 9 })).toMatchObject({ facts: ['in:4'], scannedTo: 5 });
      await fixture.advance(DAY_MS);
      expect(await store.expireEvents(DAY_MS, 99)).toBe(1);
      await note('in:5');
      expect(await recordAll(store)).toMatchObject([{ seq: 6 }]);
      expect(await store.eventPositions('crm')).toMatchObject({ last: 6, purged: 5 });
    });
  });
}
