import type { MessageStore, NewMessage, StoredMessage } from '../../src/store/message-store.ts';
import type { StoreOptions } from '../../src/store/options.ts';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

export const OPTIONS: StoreOptions = {
  // A thread of its own costs most of the time of a short test; sqlite-thread.thorough.ts and the service have it.
  sameThread: true,
  keyRetentionMs: 72 * HOUR_MS,
  unknownRetentionMs: 30 * DAY_MS,
  recordRetentionMs: 90 * DAY_MS,
  leaseMs: 15_000,
};

export const ROUTE = 'POST /v1/messages/text';
export const OUTCOME = { outcome: 'accepted', body: { result: true } };

export function newMessage(id: string, more: Partial<NewMessage> = {}): NewMessage {
  return { id, caller: 'crm', kind: 'text', to: '14155551234', connectionId: 'c1', content: { text: id }, ...more };
}

/** Returns a send whose content came as a stream and is not kept. */
export function newStream(id: string): NewMessage {
  return { id, caller: 'crm', kind: 'file', to: '14155551234', connectionId: 'c1' };
}

export const withKey = (key: string, fingerprint = 'f1'): Pick<NewMessage, 'idempotency' | 'fingerprint'> => ({
  fingerprint,
  idempotency: { route: ROUTE, key },
});

export async function insertSending(store: MessageStore, send: NewMessage): Promise<void> {
  await store.insert(send);
  if (!(await store.claim(send.id, 1))) throw new Error(`${send.id} could not begin`);
}

export async function insertFinished(
  store: MessageStore,
  send: NewMessage,
  status: 'accepted' | 'rejected' | 'not_sent' | 'unknown',
): Promise<void> {
  await insertSending(store, send);
  if (!(await store.complete(send.id, { status, outcome: OUTCOME }))) throw new Error(`${send.id} could not settle`);
}

export async function mustFind(store: MessageStore, id: string): Promise<StoredMessage> {
  const send = await store.find('crm', id);
  if (send === undefined) throw new Error(`${id} is not there`);
  return send;
}

export const ids = (sends: readonly StoredMessage[]): string[] => sends.map((send) => send.id);

/** Returns the queued single sends of this process, lane by lane. */
export async function listOwnQueued(store: MessageStore): Promise<StoredMessage[]> {
  const lanes = (await store.listQueues(1_000)).filter(({ ownership }) => ownership === 'own');
  return (await Promise.all(lanes.map((lane) => store.listOwnQueued(lane, 1_000, [])))).flat();
}

/** Recovers like a starting process: ends sends of dead processes, and adopts at most `limit` of their queued messages. */
export async function recoverAndAdopt(
  store: MessageStore,
  limit: number,
): Promise<{ unknown: number; adopted: StoredMessage[] }> {
  const { unknown } = await store.recoverOrphans();
  const before = new Set((await listOwnQueued(store)).map(({ id }) => id));
  let left = limit;
  for (const lane of await store.listQueues(1_000)) {
    if (lane.ownership === 'orphaned' && left > 0) left -= await store.adoptOrphans(lane, left);
  }
  return { unknown, adopted: (await listOwnQueued(store)).filter(({ id }) => !before.has(id)) };
}
