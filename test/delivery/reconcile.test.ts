import { expect, test } from 'vitest';
import { createReconciler } from '../../src/delivery/reconcile.ts';
import { openStore } from '../../src/store/open.ts';
import type { StoredSend } from '../../src/store/port.ts';
import { OPTIONS } from '../store/samples.ts';

const send: StoredSend = {
  id: 'a',
  caller: 'crm',
  kind: 'text',
  to: '14155551000',
  connectionId: 'one',
  localMessageId: 'own',
  call: { kind: 'text', body: { to: '14155551000', text: 'Hello' } },
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
    return { rows: [], total: 0 };
  };
  const byLocalId = async () => void reads.push('id');
  const reconciler = createReconciler(
    store,
    { history },
    { readBack: { byLocalId }, ...(channel && { channel: '919999900001' }) },
  );
  for (const nth of [1, 2, 3, 4]) {
    expect(await reconciler.look(unknown, { connection: 'one' }, nth)).toBe(false);
    expect(reads).toHaveLength(nth);
  }
  expect(reads).toEqual(expected);
  await store.close();
});
