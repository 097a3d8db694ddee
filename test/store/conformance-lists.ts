import { afterEach, describe, expect, test, vi } from 'vitest';
import type { MessageFilter, MessageStatus, StoredMessage } from '../../src/store/message-store.ts';
import type { Store } from '../../src/store/open.ts';
import { insertRecording, newBroadcast, recipients } from './broadcast-samples.ts';
import { openForEachTest, type StoreFixture } from './fixture.ts';
import { combinations } from './list-filters.ts';
import { DAY_MS, ids, insertFinished, MINUTE_MS, newMessage, OUTCOME, withKey } from './samples.ts';
import { delivered, failed, read, sent, tell } from './tracking-samples.ts';

const START = Date.parse('2026-03-01T00:00:00Z');
const at = (minute: number) => new Date(START + minute * MINUTE_MS).toISOString();

const filters = combinations({
  reference: [undefined, 'A-1', 'many'],
  to: [undefined, '49301', '14155551234'],
  broadcastId: [undefined, 'done', 'waits'],
  template: [undefined, 'welcome'],
  status: [undefined, 'queued', 'accepted', 'rejected', 'cancelled'],
  delivery: [undefined, 'none', 'failed', 'read', 'replied'],
  since: [undefined, at(10)],
  until: [undefined, at(25)],
});

/** Lists by any combination of filters, and their pages while records are added and deleted. */
export function listConformance(name: string, createFixture: () => Promise<StoreFixture>): void {
  describe(`${name}: lists by any filter`, () => {
    let store: Store;
    let fixture: StoreFixture;
    openForEachTest(createFixture, (opened) => {
      ({ store, fixture } = opened);
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    const pages = async (filter: MessageFilter, limit: number, between = async () => {}): Promise<StoredMessage[]> => {
      const found: StoredMessage[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.list('crm', filter, { limit, ...(cursor !== undefined && { cursor }) });
        found.push(...page.messages);
        cursor = page.next;
        if (cursor !== undefined) await between();
      } while (cursor !== undefined);
      return found;
    };

    test('with any combination of filters, the pages of a list contain exactly the matching records', async () => {
      vi.useFakeTimers({ toFake: ['Date'], now: START });
      await insertSome(store);
      const all = await pages({}, 100);
      expect(all).toHaveLength(43);
      // Every thirteenth, because the others differ only in single values.
      const asked = filters.filter((_, n) => n % 13 === 0);
      let matches = 0;
      for (const [n, filter] of asked.entries()) {
        const expected = ids(all.filter((message) => fits(message, filter)));
        matches += expected.length;
        expect(ids(await pages(filter, (n % 4) + 1)), JSON.stringify(filter)).toEqual(expected);
      }
      expect(matches).toBeGreaterThan(100);
    });

    test('finds messages by their key and by their id, whatever the other filters', async () => {
      const under = (route: string) => ({ idempotency: { route, key: 'k' }, fingerprint: 'f' });
      await store.insert(newMessage('text', under('POST /v1/messages/text')));
      await store.insert(newMessage('other', withKey('k2')));
      await insertFinished(
        store,
        newMessage('resend', { ...under('POST /v1/messages/:id/resend'), to: '491' }),
        'accepted',
      );
      await store.insert(newMessage('foreign', { caller: 'shop', ...under('POST /v1/messages/text') }));
      await insertRecording(store, 'hidden', 1);
      const listed = async (filter: MessageFilter, limit = 9) => ids(await pages(filter, limit));
      expect(await listed({ idempotencyKey: 'k' })).toEqual(['resend', 'text']);
      expect(await listed({ idempotencyKey: 'k' }, 1)).toEqual(['resend', 'text']);
      expect(await listed({ idempotencyKey: 'k', status: 'queued' })).toEqual(['text']);
      expect(await listed({ idempotencyKey: 'k', to: '491', status: 'accepted', delivery: 'none' })).toEqual([
        'resend',
      ]);
      expect(await listed({ idempotencyKey: 'K' })).toEqual([]);
      expect(await listed({ id: 'other' })).toEqual(['other']);
      expect(await listed({ id: 'other', idempotencyKey: 'k' })).toEqual([]);
      expect(await listed({ id: 'foreign' })).toEqual([]);
      expect(await listed({ id: 'hidden-0' })).toEqual([]);
      const ofAll = (filter: MessageFilter) => store.listMessagesOf(['crm', 'shop'], filter, { limit: 9 });
      expect(ids((await ofAll({ idempotencyKey: 'k' })).messages)).toEqual(['foreign', 'resend', 'text']);
      expect(ids((await ofAll({ id: 'foreign' })).messages)).toEqual(['foreign']);
    });

    test('a list contains the content of messages only on request', async () => {
      await store.insert(newMessage('a', { content: { text: 'x'.repeat(100_000) } }));
      expect((await pages({}, 9))[0]).not.toHaveProperty('content');
      const whole = await store.list('crm', {}, { limit: 9, withContent: true });
      expect(whole.messages[0]).toMatchObject({ content: { text: expect.stringMatching(/^x{100000}$/) } });
    });

    test('while records are added and deleted, pages show each remaining one once, and in order', async () => {
      const old = await insertMany(store, 'old', 20);
      await fixture.advance(89 * DAY_MS);
      const kept = await insertMany(store, 'kept', 20);
      await fixture.advance(DAY_MS);
      let round = 0;
      const found = await pages({ reference: 'many' }, 3, async () => {
        round += 1;
        // New messages come before the first page; old ones are deleted from the end.
        await store.insert(newMessage(`new-${round}`, { reference: 'many' }));
        await store.purge(2);
      });
      const seen = ids(found);
      expect(seen.slice(0, 20)).toEqual(kept);
      expect(new Set(seen).size).toBe(seen.length);
      // Some of the deleted messages were listed before.
      const rest = seen.slice(20);
      expect(rest).toEqual(old.filter((id) => rest.includes(id)));
      expect(rest.length).toBeLessThan(20);
    });
  });
}

/** Returns their ids, newest first. */
async function insertMany(store: Store, name: string, n: number): Promise<string[]> {
  const added = Array.from({ length: n }, (_, i) => `${name}-${i}`);
  for (const id of added) await insertFinished(store, newMessage(id, { reference: 'many' }), 'accepted');
  return added.reverse();
}

/** Inserts single messages in all states, one a minute, and broadcasts that are done, waiting, cancelled and recording. */
async function insertSome(store: Store): Promise<void> {
  const states = ['accepted', 'rejected', 'accepted', 'unknown', 'accepted', 'not_sent'] as const;
  const tells = [sent, delivered, read, (at: number) => failed(at)];
  for (let n = 0; n < 30; n++) {
    vi.setSystemTime(START + n * MINUTE_MS);
    if (n === 8) await insertBroadcast(store, 'done');
    if (n === 16) await insertBroadcast(store, 'waits');
    if (n === 24) await insertBroadcast(store, 'stopped');
    const message = newMessage(`m${n}`, {
      ...(n % 3 === 0 && { reference: n % 2 === 0 ? 'many' : 'A-1' }),
      ...(n % 4 === 1 && { kind: 'template', template: n % 8 === 1 ? 'welcome' : 'other' }),
      ...(n % 5 === 2 && { to: '49301' }),
    });
    const status = states[n % states.length];
    if (status === undefined || n % 10 === 9) await store.insert(message);
    else await insertFinished(store, message, status);
    const facts = tells[n % 7];
    if (status === 'accepted' && n % 10 !== 9 && facts) {
      await tell(
        store,
        `m${n}`,
        facts(Date.now(), { ...(facts === read && n % 4 === 0 && { repliedAt: Date.now() }) }),
      );
    }
  }
  await insertRecording(store, 'hidden', 2);
}

async function insertBroadcast(store: Store, id: string): Promise<void> {
  expect(await store.openBroadcast(newBroadcast(id))).toEqual({ opened: true });
  const named = recipients(id, 0, id === 'done' ? 5 : 4).map((each, n) =>
    n < 2 ? { ...each, reference: n === 0 ? 'A-1' : 'many' } : each,
  );
  expect(await store.addRecipients(id, named)).toBe(true);
  await store.publishBroadcast(id, 'print');
  if (id === 'stopped') await store.changeBroadcastStatus('crm', id, { to: 'cancelled' });
  if (id !== 'done') return;
  const claimed = await store.claimBatch(id, 5);
  const statuses = ['accepted', 'accepted', 'rejected', 'unknown', 'cancelled'] as const;
  await store.completeAll(
    claimed.map((each, n) => ({ id: each.id, status: statuses[n] ?? 'accepted', outcome: OUTCOME })),
  );
  await tell(store, `${id}-0`, failed(START));
}

/** Returns whether a message matches a filter, by the documented rules. */
function fits(message: StoredMessage, { delivery, since, until, ...plain }: MessageFilter): boolean {
  const rank = message.delivery?.rank ?? 0;
  const ranks = { sent: 1, failed: 2, delivered: 3, read: 4 } as const;
  const isDelivered = () => {
    if (delivery === undefined) return true;
    if (delivery === 'replied') return message.delivery?.repliedAt !== undefined;
    if (delivery === 'none')
      return message.status === 'accepted' && rank === 0 && message.delivery?.repliedAt === undefined;
    return rank === ranks[delivery];
  };
  const created = Date.parse(message.createdAt);
  const status: MessageStatus = message.status;
  return (
    (plain.reference === undefined || message.reference === plain.reference) &&
    (plain.to === undefined || message.to === plain.to) &&
    (plain.broadcastId === undefined || message.broadcastId === plain.broadcastId) &&
    (plain.template === undefined || message.template === plain.template) &&
    (plain.status === undefined || status === plain.status) &&
    (since === undefined || created >= Date.parse(since)) &&
    (until === undefined || created < Date.parse(until)) &&
    isDelivered()
  );
}
