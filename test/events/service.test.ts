import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultRetryDelays } from '../../src/settings/retry-delays.ts';
import type { StoredEvent } from '../../src/store/event-store.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { dedupeKey } from '../../src/tracking/dedupe-key.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { OPTIONS } from '../store/samples.ts';
import { record } from '../support/operations.ts';
import { type Service, startService } from '../support/service.ts';

const billingKey = 'key-of-billing-long-enough';
const crmKey = 'key-of-crm-long-enough';
const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };

let service: Service;
let store: Store;
beforeAll(async () => {
  store = await openStore('memory:', OPTIONS);
  service = await startService({
    store,
    settings: { MATON_CONNECTION_ID: seededConnection },
    seams: { pauses: { ...defaultRetryDelays, intakeEveryMs: 20 } },
    callers: [
      { name: 'billing', key: billingKey, scopes: ['*'], events: ['*'] },
      { name: 'crm', key: crmKey, scopes: ['*'], events: ['message.received'], inbound: 'all' },
    ],
  });
});
afterAll(() => service.close());

/** Webhooks as the public listener records them. */
const post = (...members: object[]) =>
  store.recordIntake(
    members.map((member) => {
      const body = JSON.stringify(member);
      const key = dedupeKey({ connectionId: seededConnection, member, body });
      return { key, connectionId: seededConnection, receivedAtMs: Date.now(), body };
    }),
  );
const send = async (to: string, key = billingKey) => {
  const json = { to, template: 'order_update', parameters };
  const answer = await service.ask('POST', '/v1/messages/template', { key, json });
  expect(answer.status, answer.text).toBe(201);
  return String(record(answer.json).id);
};
const eventsOf = async (caller: string): Promise<StoredEvent[]> =>
  (await store.readEvents(caller, { after: 0, limit: 1_000 })).events;
const told = async (caller: string, ...types: string[]) =>
  (await eventsOf(caller)).filter(({ type }) => types.length === 0 || types.includes(type));

describe('events of messages', () => {
  it('tell their caller of the outcome and of each state once, whatever comes twice', async () => {
    const id = await send('14155562001');
    const status = (name: string) => ({ eventType: name, localMessageId: id, id: `wati-${id}` });
    await post(
      status('templateMessageSent_v2'),
      status('sentMessageREAD_v2'),
      status('sentMessageREAD'),
      status('sentMessageDELIVERED_v2'),
    );
    await expect
      .poll(async () => (await told('billing')).map(({ type }) => type))
      .toEqual(['message.accepted', 'message.sent', 'message.delivered', 'message.read']);
    const [accepted, , delivered] = (await told('billing')).map(({ data }) => JSON.parse(data));
    expect(accepted.message).toMatchObject({ id, status: 'accepted', to: '14155562001' });
    expect(delivered.change).toEqual({ from: 'sent', to: 'delivered', source: 'webhook', implied: true });
    expect(await eventsOf('crm')).toEqual([]);
    const metrics = (await service.ask('GET', '/metrics')).text;
    expect(metrics).toMatch(/^wati_bff_events_total\{type="message\.read"\} 1$/m);
  });
});
