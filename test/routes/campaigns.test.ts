import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Broadcast } from '../../src/schemas/broadcast.ts';
import { defaultRetryDelays } from '../../src/settings/retry-delays.ts';
import { StoreError } from '../../src/store/errors.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { OPTIONS } from '../store/samples.ts';
import { fakeStore } from '../support/fake-store.ts';
import { problem } from '../support/problem-type.ts';
import { type Answer, allKey, type Service, startService } from '../support/service.ts';

const connection = { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' };
const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const broadcastOf = ({ json }: Answer) => json as Broadcast;

describe('a campaign', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      settings: { ...connection, GROUP_MAX_BROADCAST: '3' },
      callers: [{ name: 'other', key: 'key-of-another-caller', scopes: ['*'], connections: ['*'] }],
    });
  });
  afterAll(() => service.close());

  const create = (key: string, recipients: object[], more: object = {}) =>
    service.ask('POST', '/v1/broadcasts', {
      json: { template: 'order_update', broadcastName: 'sale', recipients, ...more },
      headers: { 'idempotency-key': key },
    });
  const to = (...numbers: string[]) => numbers.map((number) => ({ to: number, parameters }));
  const read = async (id: string) => broadcastOf(await service.ask('GET', `/v1/broadcasts/${id}`));

  it('keeps to its own pace, shows when it will end, and is a different request with another pace', async () => {
    const numbers = ['14155551000', '14155551001', '14155551002'];
    const started = await create('pace', to(...numbers), { perMinute: 1, reference: 'autumn' });
    expect(started).toMatchObject({ status: 202, json: { perMinute: 1, reference: 'autumn' } });
    const { id } = broadcastOf(started);
    await expect.poll(async () => (await read(id)).counts.accepted).toBe(1);
    const { counts, batchSize, estimatedEndAt, createdAt, updatedAt } = await read(id);
    expect(batchSize).toBe(1);
    expect(counts).toMatchObject({ accepted: 1, queued: 2 });
    const leftMs = Date.parse(String(estimatedEndAt)) - Date.parse(updatedAt);
    expect(leftMs).toBeGreaterThan(100_000);
    expect(updatedAt >= createdAt).toBe(true);
    const line = { broadcastId: id, reference: 'autumn', status: 202 };
    await expect.poll(() => service.logs()).toContainEqual(expect.objectContaining(line));
    for (const more of [{}, { perMinute: 2 }, { perMinute: 1, reference: 'winter' }]) {
      const other = await create('pace', to(...numbers), more);
      expect(other).toMatchObject({ status: 422, json: { type: problem('idempotency-mismatch') } });
    }
    expect(await create('pace', to(...numbers), { perMinute: 1 })).toMatchObject({ status: 202, json: { id } });
    for (const perMinute of [0, 100_001, 1.5, '5'])
      expect((await create('pace-2', to('14155551000'), { perMinute })).status).toBe(400);
    const paused = broadcastOf(await service.ask('POST', `/v1/broadcasts/${id}/pause`));
    expect(paused).toMatchObject({ status: 'paused', pausedBy: 'caller' });
    expect(paused).not.toHaveProperty('estimatedEndAt');
    expect(paused).not.toHaveProperty('batchSize');
    expect(service.simulator.ledger.of('sendTemplateMessagesV2').map(({ recipients }) => recipients)).toEqual([
      ['14155551000'],
    ]);
    expect((await service.ask('POST', `/v1/broadcasts/${id}/cancel`)).status).toBe(200);
  });

  it('tells an EventSource that reconnects after the end to stop', async () => {
    const { id } = broadcastOf(await create('stream', to('14155551000')));
    const follow = (headers: Record<string, string> = {}) =>
      service.ask('GET', `/v1/broadcasts/${id}/events`, { headers });
    const { text } = await follow();
    const events = text.split('\n\n').filter((each) => each.startsWith('id'));
    expect(events.at(-1)).toMatch(/^id: end\nevent: end\ndata: \{/);
    for (const event of events.slice(0, -1)) expect(event).toMatch(/^id: \d{13}\nevent: progress\ndata: \{/);
    expect(await follow({ 'last-event-id': 'end' })).toMatchObject({ status: 204, text: '' });
    // With the id of another event, the client has not received the end.
    expect(await follow({ 'last-event-id': '1700000000000' })).toMatchObject({
      status: 200,
      text: `${events.at(-1)}\n\n`,
    });
  });

  it('is visible while its file is read, if requested, and is gone if the file is refused', async () => {
    const boundary = 'the-boundary';
    const importing = (key: string, prefer: string | undefined) => {
      let send: (text: string | null) => void = () => {};
      const body = new Readable({ read() {} });
      send = (text) => void body.push(text);
      const answer = fetch(`${service.url}/v1/broadcasts/import?template=order_update&broadcastName=long`, {
        method: 'POST',
        body: Readable.toWeb(body),
        duplex: 'half',
        headers: {
          authorization: `Bearer ${allKey}`,
          'idempotency-key': key,
          'content-type': `multipart/form-data; boundary=${boundary}`,
          ...(prefer !== undefined && { prefer }),
        },
      });
      send(
        `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\ncontent-type: text/csv\r\n\r\nPhone,customer_name,order_id,order_status\n`,
      );
      const rows = (from: number, count: number, status = 'shipped') =>
        send(Array.from({ length: count }, (_, n) => `${from + n},Asha,A-1,${status}\n`).join(''));
      return { answer, rows, end: () => [send(`\r\n--${boundary}--\r\n`), send(null)] };
    };
    const found = async (key: string) =>
      (await service.ask('GET', `/v1/broadcasts?idempotencyKey=${key}`)).json as { data: Broadcast[] };

    const shown = importing('shown', 'respond-async');
    const hidden = importing('hidden', undefined);
    for (const each of [shown, hidden]) each.rows(14155552000, 2_000);
    await expect.poll(async () => (await found('shown')).data[0]?.counts.total).toBeGreaterThan(0);
    const [early] = (await found('shown')).data;
    expect(early).toMatchObject({ status: 'recording', broadcastName: 'long' });
    const id = String(early?.id);
    expect(await read(id)).toMatchObject({ status: 'recording' });
    expect((await service.ask('GET', '/v1/broadcasts')).json).toMatchObject({
      data: expect.arrayContaining([expect.objectContaining({ id })]),
    });
    expect(await found('hidden')).toEqual({ data: [] });
    for (const side of ['', '/operations'])
      expect((await service.ask('GET', `/v1${side}/broadcasts/${id}/recipients.csv`)).status).toBe(404);
    expect((await service.ask('GET', `/v1/messages?broadcastId=${id}`)).json).toEqual({ data: [] });
    expect(await service.ask('POST', `/v1/broadcasts/${id}/pause`)).toMatchObject({
      status: 409,
      json: { type: problem('broadcast-over'), detail: expect.stringContaining('still recording') },
    });
    const followed = service.ask('GET', `/v1/broadcasts/${id}/events`);
    shown.rows(14155558000, 1, ' ');
    shown.end();
    expect((await shown.answer).status).toBe(422);
    expect((await followed).text).not.toContain('event: end');
    expect((await service.ask('GET', `/v1/broadcasts/${id}`)).status).toBe(404);
    hidden.end();
    expect((await hidden.answer).status).toBe(202);
    const [done] = (await found('hidden')).data;
    expect(done?.counts.total).toBe(2_000);
    expect((await service.ask('POST', `/v1/broadcasts/${done?.id}/cancel`)).status).toBe(200);
  });

  it('is resent once to recipients that did not get it, as a new broadcast that names the original', async () => {
    const given = ['14155551000', '14155551020', '14155550423', '14155550202'];
    const named = to(...given).map((each, n) => ({ ...each, reference: `order ${n}` }));
    const kept = { perMinute: 100_000, reference: 'autumn', notAfter: new Date(Date.now() + 3_600_000).toISOString() };
    const { id } = broadcastOf(await create('again', named, kept));
    const ended = async (each: string) => {
      await expect.poll(async () => (await read(each)).finishedAt).toBeDefined();
      return read(each);
    };
    const { counts } = await ended(id);
    expect(counts).toMatchObject({ accepted: 1, rejected: 2, unknown: 1 });
    const again = (key: string, json: object, more: { key?: string } = {}) =>
      service.ask('POST', `/v1/broadcasts/${id}/resend`, { json, headers: { 'idempotency-key': key }, ...more });
    const reason = 'the numbers were put on WhatsApp';
    const resent = await again('resend', { reason });
    expect(resent).toMatchObject({
      status: 202,
      json: { resendOf: id, leftOut: 0, ...kept, counts: { total: 2, queued: 2 } },
    });
    const second = await ended(broadcastOf(resent).id);
    expect(second).toMatchObject({
      template: 'order_update',
      broadcastName: 'sale',
      counts: { total: 2, rejected: 2 },
    });
    const list = await service.ask('GET', `/v1/messages?broadcastId=${second.id}`);
    const { data } = list.json as { data: { to: string; resendOf: string; reference: string }[] };
    expect(data.map(({ to: number, reference }) => [number, reference]).toSorted()).toEqual([
      ['14155550423', 'order 2'],
      ['14155551020', 'order 1'],
    ]);
    for (const { to: number, resendOf } of data) {
      const original = await service.ask('GET', `/v1/messages/${resendOf}`);
      expect(original.json).toMatchObject({ to: number, broadcastId: id, status: 'rejected' });
    }
    // The same key is answered from the record. Recipients are resent once; other states must be named.
    expect(await again('resend', { reason: 'other words' })).toMatchObject({
      status: 202,
      headers: { 'idempotency-replayed': 'true' },
      json: { id: second.id },
    });
    const mismatch = await again('resend', { reason, statuses: ['unknown'] });
    expect(mismatch).toMatchObject({ status: 422, json: { type: problem('idempotency-mismatch') } });
    const nothing = await again('resend-2', { reason });
    expect(nothing).toMatchObject({ status: 409, json: { type: problem('message-not-resendable') } });
    const unknown = await again('resend-3', { reason, statuses: ['unknown', 'rejected'] });
    expect(unknown).toMatchObject({ status: 202, json: { leftOut: 2, counts: { total: 1 } } });
    expect((await again('resend-4', { reason }, { key: 'key-of-another-caller' })).status).toBe(404);
    for (const json of [{}, { reason, statuses: [] }, { reason, statuses: ['accepted'] }, { reason, more: 1 }])
      expect((await again('resend-5', json)).status).toBe(400);
    expect(service.logs()).toContainEqual(expect.objectContaining({ msg: 'resend', resendOf: id, reason }));
  });
});

it('a resend that could not be recorded leaves its recipients to the next one', async () => {
  const real = await openStore('memory:', OPTIONS);
  let isBroken = false;
  const publishBroadcast: Store['publishBroadcast'] = (...terms) =>
    isBroken
      ? Promise.reject(new StoreError('the store is full', { notCommitted: true }))
      : real.publishBroadcast(...terms);
  const service = await startService({
    store: fakeStore(real, { publishBroadcast }),
    settings: connection,
    // Only what asks for it makes the worker look.
    seams: { pauses: { ...defaultRetryDelays, lookEveryMs: 600_000 } },
  });
  const ask = (path: string, key: string, json: object) =>
    service.ask('POST', `/v1/broadcasts${path}`, { json, headers: { 'idempotency-key': key } });
  const recipients = ['14155551020', '14155550423'].map((to) => ({ to, parameters }));
  const { id } = broadcastOf(await ask('', 'first', { template: 'order_update', broadcastName: 'sale', recipients }));
  const read = async () => broadcastOf(await service.ask('GET', `/v1/broadcasts/${id}`));
  await expect.poll(async () => (await read()).counts.rejected).toBe(2);
  isBroken = true;
  expect((await ask(`/${id}/resend`, 'again', { reason: 'mended' })).status).toBe(503);
  isBroken = false;
  const left = () => real.listResendable(id, 'rejected', { after: 0, limit: 10 });
  await expect.poll(async () => (await left()).messages.length).toBe(2);
  const again = await ask(`/${id}/resend`, 'again', { reason: 'mended' });
  expect(again).toMatchObject({ status: 202, json: { leftOut: 0, counts: { total: 2 } } });
  await service.close();
});
