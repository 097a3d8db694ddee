import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/open.ts';
import type { ConversationFacts, LastSendAsk } from '../../src/store/tracking-store.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { DAY_MS, insertFinished, insertSending, newMessage } from './samples.ts';
import { NO_BATCH } from './tracking-samples.ts';

const T = Date.parse('2026-11-30T10:00:00Z');
const phone = '14155551234';
const bsuid = 'US.1491220987654321';

/** Conversations: whether a person wrote, and who else wrote to them. */
export function conversationsConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: conversations`, () => {
    let fixture: StoreFixture;
    let store: Store;
    openForEachTest(createFixture, (opened) => {
      fixture = opened.fixture;
      store = opened.store;
    });
    const note = (...facts: Partial<ConversationFacts>[]) =>
      store.noteConversations(facts.map((each) => ({ connectionId: 'c1', contact: { phone }, ...each })));
    const known = (contact: Parameters<Store['conversation']>[1] = { phone }) => store.conversation('c1', contact);

    test('keep the latest of each time, written in any order, in one call or in several', async () => {
      expect(await known()).toBeUndefined();
      await note({ inAt: T + 5, inSource: 'history' }, { inAt: T + 3 }, { closedAt: T + 9 }, { foreignOutAt: T + 1 });
      await note(
        { inAt: T + 4 },
        { closedAt: T + 8 },
        { foreignOutAt: T },
        { contact: { name: 'nobody' }, inAt: T + 99 },
      );
      const expected = { connectionId: 'c1', phone, lastInAt: T + 5, lastInSource: 'history', closedAt: T + 9 };
      expect(await known()).toEqual({ ...expected, certainOutAt: T + 1, lastForeignOutAt: T + 1 });
      await note({ inAt: T + 6 });
      expect(await known()).toMatchObject({ lastInAt: T + 6, lastInSource: 'webhook' });
      expect(await store.conversation('c2', { phone })).toBeUndefined();
      expect(await known({})).toBeUndefined();
    });

    test('of one person are joined, whichever id was known first: number, BSUID, contact id', async () => {
      await note({ inAt: T, contact: { phone, contactId: 'contact', name: 'Asha' } });
      await note({ inAt: T + 2, contact: { bsuid, username: '@asha' } });
      expect(await known()).toMatchObject({ lastInAt: T });
      await fixture.advance(5);
      await note({ contact: { phone, bsuid, parentBsuid: 'US.1', name: 'Asha K.', watiConversationId: 'w' } });
      const joined = {
        ...{ connectionId: 'c1', phone, bsuid, parentBsuid: 'US.1', contactId: 'contact', username: '@asha' },
        ...{ name: 'Asha K.', watiConversationId: 'w', lastInAt: T + 2, lastInSource: 'webhook' },
      };
      for (const contact of [{ phone }, { bsuid }, { contactId: 'contact' }, { bsuid, phone: '1' }]) {
        expect(await known(contact)).toEqual(joined);
      }
      expect(await known({ phone: '1' })).toBeUndefined();
    });

    test('count a message that may be foreign until it turns out to be ours', async () => {
      const told = (...conversations: Partial<ConversationFacts>[]) =>
        store.applyTracking({
          ...NO_BATCH,
          conversations: conversations.map((each) => ({ connectionId: 'c1', contact: { phone }, ...each })),
        });
      await told({ endsProvisional: { entry: 7 } });
      expect(await known(), 'a message of ours alone makes no conversation').toBeUndefined();
      await note({ foreignOutAt: T });
      await told({ provisionalOut: { at: T + 5, entry: 7 } });
      expect(await known()).toMatchObject({
        certainOutAt: T,
        provisionalOut: { at: T + 5, entry: 7 },
        lastForeignOutAt: T + 5,
      });
      await told({ endsProvisional: { entry: 6 } });
      expect(await known()).toMatchObject({ lastForeignOutAt: T + 5 });
      await told({ endsProvisional: { entry: 7 } });
      expect(await known()).toMatchObject({ lastForeignOutAt: T });
      await told({ provisionalOut: { at: T + 6, entry: 8 } });
      await told({ endsProvisional: { entry: 8 }, foreignOutAt: T + 6 });
      expect(await known()).toMatchObject({ lastForeignOutAt: T + 6 });
    });

    test('find the last message to any of their ids', async () => {
      await insertFinished(store, newMessage('a'), 'accepted');
      await insertFinished(store, newMessage('b', { to: bsuid, caller: 'shop' }), 'unknown');
      await insertFinished(store, newMessage('c'), 'rejected');
      await insertSending(store, newMessage('d'));
      await insertFinished(store, newMessage('e', { connectionId: 'c2' }), 'accepted');
      const last = async (recipients: string[], ask: LastSendAsk) =>
        (await store.lastSendTo('c1', recipients, ask))?.id;
      const since = Date.now() - 60_000;
      expect(await last([phone], { since })).toBe('a');
      expect(await last([bsuid], { since })).toBe('b');
      expect(await last([phone, bsuid], { since, caller: 'crm' })).toBe('a');
      expect(await last([phone, bsuid], { since: Date.now() + 60_000 })).toBeUndefined();
      expect(await last([], { since })).toBeUndefined();
      await insertFinished(store, newMessage('f', { kind: 'buttons' }), 'accepted');
      expect(await last([phone], { since, kinds: ['buttons', 'list'] })).toBe('f');
      expect(await last([phone], { since, kinds: ['list'] })).toBeUndefined();
      expect(await last([phone], { since, until: since + 1 })).toBeUndefined();
      expect(await last([phone], { since, until: Date.now() + 60_000 })).toBe('f');
    });

    test('are deleted this long after the last change', async () => {
      await note({ inAt: T }, { contact: { bsuid }, inAt: T });
      await fixture.advance(60 * DAY_MS);
      await note({ contact: { bsuid }, inAt: T + 1 });
      await fixture.advance(30 * DAY_MS);
      expect(await store.purge(9)).toBe(1);
      expect([await known(), await known({ bsuid })]).toEqual([undefined, expect.objectContaining({ bsuid })]);
    });

    test('are erased with the person, on all connections, with entries that wait to be applied and polls', async () => {
      await note({ contact: { phone, bsuid }, inAt: T }, { contact: { bsuid: 'US.2' }, inAt: T });
      await note({ contact: { bsuid }, inAt: T }, { connectionId: 'c2', inAt: T });
      const body = JSON.stringify({ waId: phone, text: 'hello' });
      const bodies = { a: body, b: body, c: body, bsuid: JSON.stringify({ bsuid, text: 'hello' }) };
      const row = (key: string, text: string) => ({ key, connectionId: 'c1', receivedAtMs: T, body: text });
      const rows = Object.entries(bodies).map(([key, text]) => row(key, text));
      await store.recordIntake([...rows, row('other', JSON.stringify({ bsuid: 'US.2' }))]);
      const [first, second] = await store.dueIntake(9);
      await store.failIntake([first?.seq ?? -1]);
      await store.applyTracking({ ...NO_BATCH, done: [second?.seq ?? -1] });
      await store.schedulePolls([phone, bsuid, '1'].map((recipient) => ({ connectionId: 'c1', recipient, inMs: 0 })));
      expect(await store.countPersonTracking(phone)).toEqual({ conversations: 3, waiting: 3, events: 0 });
      expect(await store.countPersonTracking('%')).toEqual({ conversations: 0, waiting: 0, events: 0 });
      const { conversations, webhooks } = await store.listPersonTracking(phone);
      expect(conversations.map((each) => [each.connectionId, each.phone, each.bsuid])).toEqual(
        expect.arrayContaining([
          ['c1', phone, bsuid],
          ['c2', phone, undefined],
        ]),
      );
      expect(webhooks.map((each) => each.body)).toHaveLength(3);
      expect(webhooks).toContainEqual({ connectionId: 'c1', receivedAtMs: T, body: bodies.bsuid });
      expect(await store.erasePersonTracking(phone)).toBe(3 + 3 + 2);
      expect(await store.erasePersonTracking(phone)).toBe(0);
      expect([await known(), await store.conversation('c2', { phone })]).toEqual([undefined, undefined]);
      expect(await known({ bsuid: 'US.2' })).toBeDefined();
      expect((await store.dueIntake(9)).map(({ key }) => key)).toEqual(['other']);
      expect((await store.duePolls([], 9)).map(({ recipient }) => recipient)).toEqual(['1']);
      expect(await store.recordIntake(rows)).toEqual({ received: 0, duplicates: 4 });
    });
  });
}
