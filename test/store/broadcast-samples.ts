import { expect } from 'vitest';
import type { NewBroadcast } from '../../src/store/broadcast-store.ts';
import type { NewMessage } from '../../src/store/message-store.ts';
import type { Store } from '../../src/store/open.ts';
import { newMessage } from './samples.ts';

export const BROADCASTS = 'POST /v1/broadcasts';
export const NONE = { queued: 0, sending: 0, accepted: 0, rejected: 0, not_sent: 0, unknown: 0, cancelled: 0 };
/** A MAC, by which a content is recognized; a plain digest is not kept. */
export const MAC = expect.stringMatching(/^[\w-]{43}$/);
export const TIME = expect.stringMatching(/^\d{4}-.*Z$/);

export const newBroadcast = (id: string, more: Partial<NewBroadcast> = {}): NewBroadcast => ({
  id,
  caller: 'crm',
  template: 'welcome',
  name: 'spring',
  connectionId: 'c1',
  idempotency: { route: BROADCASTS, key: `key of ${id}` },
  ...more,
});

export const recipients = (id: string, from: number, to: number): NewMessage[] =>
  Array.from({ length: to - from }, (_, n) =>
    newMessage(`${id}-${from + n}`, { kind: 'template', to: `4930${from + n}`, template: 'welcome' }),
  );

export async function insertRecording(
  store: Store,
  id: string,
  total: number,
  more: Partial<NewBroadcast> = {},
): Promise<void> {
  expect(await store.openBroadcast(newBroadcast(id, more))).toEqual({ opened: true });
  expect(await store.addRecipients(id, recipients(id, 0, total))).toBe(true);
}

export async function insertPublished(
  store: Store,
  id: string,
  total: number,
  more: Partial<NewBroadcast> = {},
): Promise<void> {
  await insertRecording(store, id, total, more);
  expect(await store.publishBroadcast(id, 'print')).toMatchObject({ id, status: 'running', total });
}

export const sweepAll = async (store: Store): Promise<void> => {
  for (let round = 0; (await store.sweepBroadcasts(3)) > 0; round++)
    if (round > 100) throw new Error('sweeps for ever');
};
