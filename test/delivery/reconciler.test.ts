import { describe, expect, it, test } from 'vitest';
import { createReconciler } from '../../src/delivery/reconcile/reconciler.ts';
import type { StoredMessage } from '../../src/store/message-store.ts';
import { openStore } from '../../src/store/open.ts';
import { linkIn } from '../../src/upstream/pages.ts';
import { OPTIONS } from '../store/samples.ts';

const send: StoredMessage = {
  id: 'a',
  caller: 'crm',
  kind: 'text',
  to: '14155551000',
  connectionId: 'one',
  localMessageId: 'own',
  content: { kind: 'text', body: { to: '14155551000', text: 'Hello' } },
  status: 'unknown',
  attempts: 1,
  sentAt: '2026-03-01T00:00:00.000Z',
  createdAt: '2026-03-01T00:00:00.000Z',
  updatedAt: '2026-03-01T00:00:00.000Z',
};
const { localMessageId: _, ...withoutId } = send;

test.each([
  ['by turns by its own id and in the history', send, true, ['id', 'history', 'id', 'history']],
  ['in the history alone, where no channel is set', send, false, Array(4).fill('history')],
  ['in the history alone, where it has no id', withoutId, true, Array(4).fill('history')],
])('the four looks of the service cost one read each: %s', async (_name, unknown, channel, expected) => {
  const store = await openStore('memory:', OPTIONS);
  const reads: string[] = [];
  const history = async () => {
    reads.push('history');
    return { rows: [], link: linkIn({}) };
  };
  const byLocalId = async () => void reads.push('id');
  const reconciler = createReconciler(
    store,
    { history },
    { messageLookup: { findByClientId: byLocalId }, ...(channel && { channel: '919999900001' }) },
  );
  for (const nth of [1, 2, 3, 4]) {
    expect(await reconciler.reconcile(unknown, { connection: 'one' }, nth)).toBe(false);
    expect(reads).toHaveLength(nth);
  }
  expect(reads).toEqual(expected);
  await store.close();
});

describe('a text that WATI shows in another form', () => {
  const sent = 'Gr\u00fc\u00dfe\nfrom us';
  const look = async (row: object, lookalikes = 0) => {
    const asked: string[] = [];
    const store = {
      markReconciled: async () => true,
      countLookalikes: async ({ fingerprint = '' }: { fingerprint?: string }) => {
        asked.push(fingerprint);
        return lookalikes;
      },
    };
    const own = { eventType: 'message', owner: true, type: 'text', created: '2026-03-01T00:00:01.000Z', ...row };
    const history = async () => ({ rows: [own], link: linkIn({}) });
    const unknown = { ...send, fingerprint: 'f', content: { kind: 'text', body: { to: '14155551000', text: sent } } };
    const found = await createReconciler(
      store,
      { history },
      { messageLookup: { findByClientId: async () => undefined } },
    ).reconcile(unknown, { connection: 'one' });
    return { found, asked };
  };

  it('is the same after composing, with other line ends and without outer blanks', async () => {
    for (const text of [sent.normalize('NFD'), sent.replace('\n', '\r\n'), sent.replace('\n', '\r'), ` ${sent}\n`]) {
      expect(await look({ text }), JSON.stringify(text)).toEqual({ found: true, asked: [''] });
      // Any other text to this person could be the one.
      expect((await look({ text }, 1)).found).toBe(false);
    }
    expect(await look({ text: sent })).toEqual({ found: true, asked: [expect.stringMatching(/^[0-9a-f]{64}$/)] });
    expect((await look({ text: sent, owner: 'true' })).found).toBe(true);
  });

  it('differs if its words differ, or somebody else wrote it', async () => {
    for (const text of ['Gr\u00fc\u00dfe from us', 'gr\u00fc\u00dfe\nfrom us', `${sent}!`, '', null, 7, [sent]]) {
      expect((await look({ text })).found, JSON.stringify(text)).toBe(false);
    }
    for (const owner of [false, 'false', null, 1]) expect((await look({ text: sent, owner })).found).toBe(false);
    expect((await look({ text: ` ${sent}`, localMessageId: 'another-id' })).found).toBe(false);
  });
});
