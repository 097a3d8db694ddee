import { createHmac, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { defaultRetryDelays } from '../../src/settings/retry-delays.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { dedupeKey } from '../../src/tracking/dedupe-key.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { OPTIONS } from '../store/samples.ts';
import { followEvents } from '../support/event-client.ts';
import { record } from '../support/operations.ts';
import { type Service, startService } from '../support/service.ts';
import { startReceiver } from '../webhooks/receiver.ts';
import { signingKey } from '../webhooks/samples.ts';

// What receivers of other systems for WhatsApp complain about, seen from the receiver.

const key = 'the-key-of-crm-for-complaints';
const folder = mkdtempSync(join(tmpdir(), 'wati-bff-complaints-'));
const file = `file:${join(folder, 'records.db')}`;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
let store: Store;
let service: Service;
let secret = '';

async function start(): Promise<void> {
  store = await openStore(file, OPTIONS);
  service = await startService({
    store,
    settings: { MATON_CONNECTION_ID: seededConnection, WEBHOOK_ALLOWED_HOSTS: `http://127.0.0.1:${receiver.port}` },
    callers: [{ name: 'crm', key, scopes: ['*'], events: ['*'], inbound: 'all' }],
    seams: { signingKeys: () => [signingKey], pauses: { ...defaultRetryDelays, intakeEveryMs: 20 } },
  });
}
beforeAll(async () => {
  receiver = await startReceiver();
  await start();
  const url = `http://127.0.0.1:${receiver.port}/`;
  secret = String(record((await ask('POST', '/v1/webhook-endpoints', { url, types: ['*'] })).json).secret);
});
afterAll(async () => {
  await service.close();
  await receiver.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  receiver.received.length = 0;
  receiver.answer((_, response) => void response.writeHead(204).end());
});

const ask = (method: string, path: string, json?: unknown, headers: Record<string, string> = {}) =>
  service.ask(method, path, { key, headers, ...(json !== undefined && { json }) });
/** Webhooks as the public listener records them; answers how many are new. */
const post = (...members: object[]) =>
  store.recordIntake(
    members.map((member) => {
      const body = JSON.stringify(member);
      const dedupe = dedupeKey({ connectionId: seededConnection, member, body });
      return { key: dedupe, connectionId: seededConnection, receivedAtMs: Date.now(), body };
    }),
  );
const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const order = (to: string) => ask('POST', '/v1/messages/template', { to, template: 'order_update', parameters });
const send = async (to: string) => {
  const sent = await order(to);
  expect(sent.status, sent.text).toBe(201);
  return String(record(sent.json).id);
};
const status = (id: string, name: string) => ({ eventType: name, localMessageId: id, id: `wati-${id}` });
const message = (from: object, text = 'Hello') => ({
  ...{ eventType: 'message', id: randomUUID(), whatsappMessageId: `wamid.${randomUUID()}`, owner: false, type: 'text' },
  ...{ text, timestamp: String(Math.floor(Date.now() / 1_000)), ...from },
});

const posted = () => receiver.received.map(({ body }) => record(JSON.parse(body.toString())));
const typesOf = (about: string) =>
  posted().flatMap(({ type, data }) => (JSON.stringify(data).includes(about) ? [String(type)] : []));
/** All webhooks of WATI are applied, and a later event was posted. */
const passed = async () => {
  await expect.poll(() => store.intakeState(), { timeout: 10_000, interval: 10 }).toMatchObject({ waiting: 0 });
  const last = await send('14155569999');
  await expect.poll(() => typesOf(last), { timeout: 10_000 }).toEqual(['message.accepted']);
};
/** Besides, nothing is under way any more. */
const settled = async () => {
  await passed();
  const { last } = await store.eventPositions('crm');
  const positions = async () => (await store.listEndpoints('crm')).map(({ position }) => position);
  await expect.poll(positions, { timeout: 10_000, interval: 10 }).toEqual([last]);
};

describe('a state', () => {
  it('is not taken back by what comes late: neither delivered, nor read, nor failed by sent', async () => {
    const [read, failed] = [await send('14155560001'), await send('14155560002')];
    await post(status(read, 'sentMessageDELIVERED_v2'));
    await post(status(failed, 'templateMessageFailed_v2'));
    await expect.poll(() => typesOf(failed)).toContain('message.failed');
    await expect.poll(() => typesOf(read)).toContain('message.delivered');
    await post(status(read, 'templateMessageSent_v2'), status(failed, 'templateMessageSent_v2'));
    await post(status(read, 'sentMessageREAD_v2'), status(failed, 'templateMessageSent'));
    await expect.poll(() => typesOf(read)).toContain('message.read');
    await post(status(read, 'sentMessageDELIVERED'), status(read, 'templateMessageFailed_v2'));
    await settled();
    expect(typesOf(read)).toEqual(['message.accepted', 'message.delivered', 'message.read']);
    expect(typesOf(failed)).toEqual(['message.accepted', 'message.failed']);
    expect(await ask('GET', `/v1/messages/${failed}`)).toMatchObject({ json: { delivery: { status: 'failed' } } });
  });

  it('that was rejected, and is proven, is told with what it contradicts', async () => {
    expect((await order('14155560422')).status).toBe(422);
    const [{ id } = { id: '' }] = record((await ask('GET', '/v1/messages?limit=1')).json).data as { id: string }[];
    await post(status(id, 'sentMessageDELIVERED_v2'));
    await settled();
    expect(typesOf(id)).toEqual(['message.rejected', 'message.resolved', 'message.delivered']);
    const { data } = posted().find(({ type }) => type === 'message.resolved') ?? {};
    expect(data).toMatchObject({
      message: { id, status: 'accepted', evidence: 'local-id' },
      change: { from: 'rejected', to: 'accepted', source: 'webhook' },
      contradicts: 'rejected',
    });
    const delivered = posted().find(({ type }) => type === 'message.delivered');
    expect(record(delivered?.data).change).toEqual({ to: 'delivered', source: 'webhook' });
  });

  it('of a broadcast is told when nothing of it waits any more', async () => {
    const recipients = ['14155560003', '14155560422'].map((to) => ({ to, parameters }));
    const begun = await ask(
      'POST',
      '/v1/broadcasts',
      { template: 'order_update', broadcastName: 'spring', recipients },
      { 'idempotency-key': 'spring' },
    );
    expect(begun.status, begun.text).toBe(202);
    const { id } = record(begun.json);
    const finished = () => posted().filter(({ type }) => type === 'broadcast.finished');
    await expect.poll(finished, { timeout: 10_000 }).toHaveLength(1);
    await settled();
    expect(finished()).toMatchObject([
      { data: { broadcast: { id, counts: { queued: 0, sending: 0, accepted: 1, rejected: 1 } } } },
    ]);
  });
});

describe('one message of a customer', () => {
  it('is one event, though its webhook comes five times at once, with its twin', async () => {
    const text = `at once ${randomUUID()}`;
    const one = message({ waId: '14155560004' }, text);
    await Promise.all([1, 2, 3, 4, 5].map(() => post(one, { ...one, eventType: 'message_bsuid' })));
    await settled();
    expect(typesOf(text)).toEqual(['message.received']);
  });

  it('is one event, though it comes under two identities', async () => {
    const text = `two names ${randomUUID()}`;
    const one = message({ waId: '14155560005' }, text);
    await post(one);
    await expect.poll(() => typesOf(text)).toHaveLength(1);
    await post({ ...one, eventType: 'message_bsuid', waId: undefined, bsuid: 'US.13491208655302741918' });
    await settled();
    expect(typesOf(text)).toEqual(['message.received']);
  });

  it('that was recorded before the process died is no duplicate that nobody heard of', async () => {
    const text = `before the end ${randomUUID()}`;
    const one = message({ waId: '14155560006' }, text);
    await service.close();
    store = await openStore(file, OPTIONS);
    await post(one);
    await store.close();
    await start();
    await post(one);
    await settled();
    expect(typesOf(text)).toEqual(['message.received']);
  });
});

describe('a receiver', () => {
  it('that has answered gets no copy, neither while it works nor after a restart', async () => {
    const id = await send('14155560007');
    await settled();
    await service.close();
    await start();
    await settled();
    expect(typesOf(id)).toEqual(['message.accepted']);
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('that takes its time is not sent the same again meanwhile, and holds up no others', async () => {
    const held: (() => void)[] = [];
    receiver.answer(({ headers }, response) => {
      const answer = () => void response.writeHead(204).end();
      const { data } = posted().find(({ id }) => id === headers['webhook-id']) ?? {};
      if (JSON.stringify(data).includes('14155560008')) held.push(answer);
      else answer();
    });
    const slow = await send('14155560008');
    await expect.poll(() => held).toHaveLength(1);
    await passed();
    expect(typesOf(slow)).toHaveLength(1);
    for (const answer of held) answer();
    await settled();
    expect(typesOf(slow)).toHaveLength(1);
    expect(receiver.received.every(({ headers }) => headers['wati-bff-attempt'] === '1')).toBe(true);
  });

  it('checks the bytes that came, which are those of the feed and the stream, whatever stands in them', async () => {
    const text = `é 😀 "\\ </script> \u2028 1.0e2 ${randomUUID()}`;
    const { nextCursor } = record((await ask('GET', '/v1/events?cursor=latest')).json);
    const stream = await followEvents(service.url, { key });
    await post(message({ waId: '14155560009' }, text));
    const [streamed] = await stream.have(1);
    stream.close();
    await expect.poll(() => receiver.received.length).toBeGreaterThan(0);
    const [got] = receiver.received;
    if (!got) throw new Error('nothing came');
    const { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signature } = got.headers;
    const right = createHmac('sha256', Buffer.from(secret.slice('whsec_'.length), 'base64'));
    right.update(`${id}.${time}.`).update(got.body);
    expect(signature).toBe(`v1,${right.digest('base64')}`);
    expect(record(record(JSON.parse(got.body.toString()).data).received).text).toBe(text);
    expect(got.body.toString()).toBe(streamed?.data);
    expect((await ask('GET', `/v1/events?cursor=${nextCursor}`)).text).toContain(`{"data":[${got.body}]`);
    expect(id).not.toContain('.');
  });
});
