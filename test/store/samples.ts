import type { NewSend, SendStore, StoredSend, StoreOptions } from '../../src/store/port.ts';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

export const OPTIONS: StoreOptions = {
  keyRetentionMs: 72 * HOUR_MS,
  unknownRetentionMs: 30 * DAY_MS,
  recordRetentionMs: 90 * DAY_MS,
  leaseMs: 15_000,
};

export const ROUTE = 'POST /v1/messages/text';
export const VERDICT = { outcome: 'accepted', body: { result: true } };

export function aSend(id: string, more: Partial<NewSend> = {}): NewSend {
  return { id, caller: 'crm', kind: 'text', to: '14155551234', connectionId: 'c1', call: { text: id }, ...more };
}

/** A send whose bytes came in as a stream: nothing of its call is kept. */
export function aStream(id: string): NewSend {
  return { id, caller: 'crm', kind: 'file', to: '14155551234', connectionId: 'c1' };
}

export const withKey = (key: string, fingerprint = 'f1'): Pick<NewSend, 'idempotency' | 'fingerprint'> => ({
  fingerprint,
  idempotency: { route: ROUTE, key },
});

export async function sending(store: SendStore, send: NewSend): Promise<void> {
  await store.record(send);
  if (!(await store.begin(send.id, 1))) throw new Error(`${send.id} could not begin`);
}

export async function ended(
  store: SendStore,
  send: NewSend,
  status: 'accepted' | 'rejected' | 'not_sent' | 'unknown',
): Promise<void> {
  await sending(store, send);
  if (!(await store.settle(send.id, { status, verdict: VERDICT }))) throw new Error(`${send.id} could not settle`);
}

export async function found(store: SendStore, id: string): Promise<StoredSend> {
  const send = await store.find('crm', id);
  if (send === undefined) throw new Error(`${id} is not there`);
  return send;
}

export const ids = (sends: readonly StoredSend[]): string[] => sends.map((send) => send.id);

/** The single sends that wait in the store of this process, lane by lane. */
export async function ownQueued(store: SendStore): Promise<StoredSend[]> {
  const lanes = (await store.queuedLanes(1_000)).filter(({ whose }) => whose === 'own');
  return (await Promise.all(lanes.map((lane) => store.ownQueued(lane, 1_000, [])))).flat();
}

/** As a process does it that starts: ends what the dead were sending, and adopts at most `limit` of what they left queued. */
export async function takeOver(store: SendStore, limit: number): Promise<{ unknown: number; adopted: StoredSend[] }> {
  const { unknown } = await store.recover();
  const before = new Set((await ownQueued(store)).map(({ id }) => id));
  let left = limit;
  for (const lane of await store.queuedLanes(1_000)) {
    if (lane.whose === 'lost' && left > 0) left -= await store.adopt(lane, left);
  }
  return { unknown, adopted: (await ownQueued(store)).filter(({ id }) => !before.has(id)) };
}
