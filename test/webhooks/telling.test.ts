import { Webhook } from 'svix';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toldConnections } from '../../src/event-services.ts';
import { record } from '../support/operations.ts';
import { type Service, startService } from '../support/service.ts';
import { startReceiver } from './receiver.ts';
import { signingKey } from './samples.ts';

const key = 'the-key-of-crm-for-its-webhooks';
let receiver: Awaited<ReturnType<typeof startReceiver>>;
let service: Service;
beforeAll(async () => {
  receiver = await startReceiver();
  service = await startService({
    settings: { WEBHOOK_ALLOWED_HOSTS: `http://127.0.0.1:${receiver.port}` },
    callers: [{ name: 'crm', key, scopes: ['*'], events: ['*'] }],
    seams: { signingKeys: () => [signingKey] },
  });
});
afterAll(async () => {
  await service.close();
  await receiver.close();
});

const ask = (method: string, path: string, json?: unknown) =>
  service.ask(method, path, { key, ...(json !== undefined && { json }) });
const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const send = async (to: string) => {
  const sent = await ask('POST', '/v1/messages/template', { to, template: 'order_update', parameters });
  expect(sent.status, sent.text).toBe(201);
  return String(record(sent.json).id);
};
const create = async (json: Record<string, unknown>) => {
  const url = `http://127.0.0.1:${receiver.port}/hook`;
  const created = await ask('POST', '/v1/webhook-endpoints', { url, types: ['message.*'], ...json });
  expect(created.status).toBe(201);
  return record(created.json);
};
const arrived = async (count: number) => {
  await expect.poll(() => receiver.received.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(count);
  return receiver.received.splice(0);
};
const shown = async (id: unknown) => record((await ask('GET', `/v1/webhook-endpoints/${id}`)).json);

test('what becomes of a message is posted to the endpoints of its caller, as it stands in the feed, and signed', async () => {
  const { id, secret } = await create({});
  const message = await send('14155551234');
  const [posted] = await arrived(1);
  if (!posted) throw new Error('nothing came');
  const text = posted.body.toString();
  const headers = Object.fromEntries(Object.entries(posted.headers).map(([name, value]) => [name, String(value)]));
  new Webhook(String(secret)).verify(text, headers);
  const event = record(JSON.parse(text));
  expect(event).toMatchObject({ type: 'message.accepted', data: { message: { id: message, status: 'accepted' } } });
  expect((await ask('GET', `/v1/events/${event.id}`)).text).toBe(text);
  expect(posted.headers).toMatchObject({ 'webhook-id': event.id, 'wati-bff-attempt': '1' });
  await expect
    .poll(async () => await shown(id))
    .toMatchObject({ lagSeconds: 0, parked: 0, lastSuccessAt: expect.any(String) });
  const deliveries = await ask('GET', `/v1/webhook-endpoints/${id}/deliveries`);
  expect(record(deliveries.json).data).toMatchObject([{ eventId: event.id, status: 'delivered', httpStatus: 204 }]);
  const metrics = (await ask('GET', '/metrics')).text;
  expect(metrics).toContain(`wati_bff_webhook_attempts_total{endpoint="${id}",result="delivered"} 1`);
  expect(metrics).toContain(`wati_bff_webhook_lag_seconds{endpoint="${id}"} 0`);
  expect(metrics).toContain(`wati_bff_webhook_parked{endpoint="${id}"} 0`);
  expect(metrics).toContain('wati_bff_webhook_endpoints{status="enabled"} 1');
  await ask('DELETE', `/v1/webhook-endpoints/${id}`);
});

test('what fails is parked, is sent again on request, and a receiver that is gone is called no more', async () => {
  receiver.answer((_, response) => void response.writeHead(500).end());
  const { id } = await create({});
  await send('14155552345');
  await arrived(1);
  await expect.poll(async () => (await shown(id)).parked).toBe(1);
  const { data } = record((await ask('GET', `/v1/webhook-endpoints/${id}/deliveries?status=pending`)).json);
  expect(data).toMatchObject([{ tries: 1, httpStatus: 500, nextAttemptAt: expect.any(String) }]);
  receiver.answer((_, response) => void response.writeHead(204).end());
  const [{ eventId } = { eventId: '' }] = data as { eventId: string }[];
  const replayed = await ask('POST', `/v1/webhook-endpoints/${id}/replay`, { eventIds: [eventId] });
  expect(replayed).toMatchObject({ status: 202, json: { queued: 1 } });
  const [again] = await arrived(1);
  expect(again?.headers['webhook-id']).toBe(eventId);
  await expect.poll(async () => (await shown(id)).parked).toBe(0);

  receiver.answer((_, response) => void response.writeHead(410).end());
  await send('14155553456');
  await arrived(1);
  await expect.poll(async () => await shown(id)).toMatchObject({ status: 'disabled', reason: 'gone' });
  await expect
    .poll(async () => record((await ask('GET', '/v1/events?types=webhook_endpoint.*')).json).data)
    .toMatchObject([{ type: 'webhook_endpoint.disabled', data: { endpoint: { id, reason: 'gone' } } }]);
  receiver.answer((_, response) => void response.writeHead(204).end());
  expect((await ask('PATCH', `/v1/webhook-endpoints/${id}`, { status: 'enabled' })).status).toBe(200);
  const [held] = await arrived(1);
  expect(JSON.parse(String(held?.body)).type).toBe('message.accepted');
  const since = new Date(Date.now() - 3_600_000).toISOString();
  const walked = await ask('POST', `/v1/webhook-endpoints/${id}/replay`, { since });
  expect(walked).toMatchObject({ status: 202, json: { queued: 3 } });
  expect((await arrived(3)).map(({ headers }) => headers['webhook-id'])).toContain(eventId);
  await ask('DELETE', `/v1/webhook-endpoints/${id}`);
});

test('endpoints are told nothing while their caller is gone, has no scope of webhooks, or no events', () => {
  const caller = {
    id: 'crm',
    name: 'crm',
    scopes: ['webhooks:read' as const],
    connections: ['c1'],
    events: ['message.*'],
  };
  expect(['c1', 'c2'].map((connection) => toldConnections(caller)?.(connection))).toEqual([true, false]);
  const { events: _, ...unasked } = caller;
  const without = [undefined, unasked, { ...caller, events: [] }, { ...caller, scopes: ['events:read' as const] }];
  expect(without.map((each) => toldConnections(each))).toEqual(without.map(() => undefined));
});
