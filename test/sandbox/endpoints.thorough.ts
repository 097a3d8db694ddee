import { Webhook } from 'svix';
import { expect, it } from 'vitest';
import { exampleIds } from '../../src/schemas/common.ts';
import { WebhookEndpointPost } from '../../src/schemas/webhook-endpoint.ts';
import { record } from '../support/operations.ts';
import { problem } from '../support/problem-type.ts';
import { startReceiver } from '../webhooks/receiver.ts';
import { started } from './helper.ts';

it('calls receivers of webhooks on this machine without a setting, and nobody else', async () => {
  const receiver = await startReceiver();
  const { ask, list } = await started();
  const create = (url: string) => ask('POST', '/v1/webhook-endpoints', { url, types: ['*'] });
  const created = await create(`http://localhost:${receiver.port}/hook`);
  expect(created).toMatchObject({ status: 201, json: { secret: expect.stringMatching(/^whsec_/) } });
  const tested = await ask('POST', `/v1/webhook-endpoints/${created.json.id}/test`);
  expect(tested.json).toMatchObject({ delivered: true, status: 204 });
  expect(receiver.received.map(({ path }) => path)).toEqual(['/hook']);
  for (const url of [
    'https://hooks.example.com/',
    'http://10.0.0.1/',
    'http://169.254.169.254/',
    'http://[::ffff:127.0.0.1]/',
  ])
    expect(await create(url)).toMatchObject({ status: 422, json: { type: problem('webhook-url-refused') } });
  // Those of the examples are there.
  for (const [id, status] of [
    [exampleIds.endpoint, 'enabled'],
    [exampleIds.unwantedEndpoint, 'disabled'],
  ] as const)
    expect(await ask('GET', `/v1/webhook-endpoints/${id}`)).toMatchObject({ status: 200, json: { status } });
  expect(await list('/v1/webhook-endpoints')).toHaveLength(3);
  await receiver.close();
});

it('answers the examples about events as they stand', async () => {
  const { ask } = await started();
  expect(await ask('GET', `/v1/events/${exampleIds.event}`)).toMatchObject({
    status: 200,
    json: { id: exampleIds.event, type: 'contact.changed' },
  });
  const [post] = [record(WebhookEndpointPost).examples].flat();
  expect((await ask('POST', '/v1/webhook-endpoints', record(post))).status).toBe(201);
  const replay = `/v1/webhook-endpoints/${exampleIds.endpoint}/replay`;
  expect((await ask('POST', replay, { since: '2026-11-02T09:30:00Z' })).status).toBe(202);
});

it('lets the list of its settings hold', async () => {
  const { ask } = await started({ WEBHOOK_ALLOWED_HOSTS: 'http://127.0.0.1:1' });
  const create = (url: string) => ask('POST', '/v1/webhook-endpoints', { url, types: ['*'] });
  expect((await create('http://127.0.0.1:1/')).status).toBe(201);
  expect((await create('http://127.0.0.1:2/')).status).toBe(422);
});

it('moves the time of endpoints with its clock, but not that of signatures, which receivers compare with theirs', async () => {
  const receiver = await startReceiver();
  const { ask, order, advance, list } = await started();
  await advance(86_400);
  const url = `http://127.0.0.1:${receiver.port}/`;
  const { json: created } = await ask('POST', '/v1/webhook-endpoints', { url, types: ['message.accepted'] });
  await order('14155550702');
  await expect.poll(() => receiver.received.length).toBe(1);
  const [posted] = receiver.received;
  const headers = Object.fromEntries(
    Object.entries(posted?.headers ?? {}).map(([name, value]) => [name, String(value)]),
  );
  new Webhook(String(created.secret)).verify(String(posted?.body), headers);
  const shown = async () => (await ask('GET', `/v1/webhook-endpoints/${created.id}`)).json;
  await expect.poll(async () => String((await shown()).lastSuccessAt) > String(created.createdAt)).toBe(true);

  receiver.answer((_, response) => void response.writeHead(500).end());
  await order('14155550702');
  await expect.poll(async () => (await shown()).parked).toBe(1);
  await advance(16 * 60);
  const told = () => list('/v1/events?types=webhook_endpoint.failing');
  await expect.poll(told, { timeout: 10_000 }).toHaveLength(1);
  const [{ data } = { data: {} }] = await told();
  expect(record(data).endpoint).toMatchObject({ id: created.id, reason: 'answered 500' });
  await receiver.close();
});

it('disables an endpoint that fails for days of its clock, and tells of both', async () => {
  const receiver = await startReceiver();
  const { ask, order, advance, list } = await started();
  receiver.answer((_, response) => void response.writeHead(500).end());
  const url = `http://127.0.0.1:${receiver.port}/`;
  const { json: created } = await ask('POST', '/v1/webhook-endpoints', { url, types: ['message.accepted'] });
  for (let customer = 0; customer < 8; customer += 1) await order(`1415555070${customer}`);
  await expect.poll(() => receiver.received.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(5);
  const shown = async () => (await ask('GET', `/v1/webhook-endpoints/${created.id}`)).json;
  for (let day = 0; day < 8 && (await shown()).status === 'enabled'; day += 1) {
    const before = receiver.received.length;
    await advance(86_400);
    const isTried = async () => receiver.received.length > before || (await shown()).status === 'disabled';
    await expect.poll(isTried, { timeout: 5_000 }).toBe(true);
  }
  await expect.poll(shown, { timeout: 5_000 }).toMatchObject({ status: 'disabled', reason: 'failing' });
  const told = async () => (await list('/v1/events?types=webhook_endpoint.*')).map(({ type }) => type);
  await expect.poll(told).toEqual(['webhook_endpoint.failing', 'webhook_endpoint.disabled']);
  await receiver.close();
});
