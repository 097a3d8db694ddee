import { afterEach, describe, expect, it } from 'vitest';
import type { ProblemSlug } from '../../src/problem-types.ts';
import type { Broadcast } from '../../src/schemas/broadcast.ts';
import { openStore } from '../../src/store/open.ts';
import { OPTIONS } from '../store/samples.ts';
import { failingStore } from '../support/fake-store.ts';
import { startPaced } from '../support/paced.ts';
import { problem } from '../support/problem-type.ts';
import { type Answer, type Service, startService } from '../support/service.ts';

const connection = { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' };
const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const operation = 'sendTemplateMessagesV2';
const numbers = (count: number, from = 14155561000) => Array.from({ length: count }, (_, n) => String(from + n));
const to = (count: number, from?: number) => numbers(count, from).map((number) => ({ to: number, parameters }));

let service: Service;
afterEach(() => service.close());

const start = async (settings: Record<string, string> = {}) => {
  service = await startService({
    settings: { ...connection, ...settings },
    callers: [{ name: 'other', key: 'key-of-another-caller', scopes: ['*'], connections: ['*'] }],
  });
};
const create = (recipients: object[], { key = 'key-1', more = {} } = {}) =>
  service.ask('POST', '/v1/broadcasts', {
    json: { template: 'order_update', broadcastName: 'sale', recipients, ...more },
    headers: { 'idempotency-key': key },
  });
const boundary = 'the-boundary';
const importCsv = (csv: string, { key = 'key-1', query = 'template=order_update&broadcastName=sale' } = {}) =>
  service.ask('POST', `/v1/broadcasts/import?${query}`, {
    body: `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\ncontent-type: text/csv\r\n\r\n${csv}\r\n--${boundary}--\r\n`,
    headers: { 'idempotency-key': key, 'content-type': `multipart/form-data; boundary=${boundary}` },
  });
const fields = (answer: Answer) => answer.json as Broadcast;
const read = async (id: string) => fields(await service.ask('GET', `/v1/broadcasts/${id}`));
const sentTo = () => service.simulator.ledger.of(operation).flatMap(({ recipients }) => recipients);
const finished = async (id: string) => {
  await expect.poll(async () => (await read(id)).finishedAt).toBeDefined();
  return read(id);
};
const messages = async (id: string) => {
  const { json } = await service.ask('GET', `/v1/messages?broadcastId=${id}&limit=100`);
  return (json as { data: Record<string, unknown>[] }).data;
};
const none = { queued: 0, sending: 0, accepted: 0, rejected: 0, notSent: 0, unknown: 0, cancelled: 0 };

describe('a broadcast', () => {
  it('is recorded as a whole, sent in batches, and every recipient is a message with its own outcome', async () => {
    await start({ GROUP_MAX_BROADCAST: '10' });
    const created = await create(to(25));
    expect(created).toMatchObject({ status: 202, json: { status: 'running', counts: { total: 25 } } });
    const { id } = fields(created);
    expect(created.headers.location).toBe(`/v1/broadcasts/${id}`);
    expect(await finished(id)).toMatchObject({
      id,
      template: 'order_update',
      broadcastName: 'sale',
      connectionId: connection.MATON_CONNECTION_ID,
      status: 'done',
      counts: { ...none, total: 25, accepted: 25 },
    });
    expect(service.simulator.ledger.of(operation).map(({ recipients }) => recipients.length)).toEqual([10, 10, 5]);
    expect(sentTo()).toEqual(numbers(25));
    const all = await messages(id);
    expect(all.map(({ to: number }) => number).toSorted()).toEqual(numbers(25));
    for (const message of all) expect(message).toMatchObject({ kind: 'template', status: 'accepted', broadcastId: id });
    expect(new Set(all.map(({ localMessageId }) => localMessageId)).size).toBe(25);
    expect(await service.ask('GET', `/v1/messages/${all[0]?.id}`)).toMatchObject({ status: 200, json: all[0] });
  });

  it('is started once under one key, and repeats return its state; other content is a 422, and another caller sees nothing', async () => {
    await start();
    const first = await create(to(3));
    const { id } = fields(first);
    await finished(id);
    const again = await create(to(3));
    expect(again).toMatchObject({
      status: 202,
      headers: { 'idempotency-replayed': 'true' },
      json: { id, status: 'done', counts: { accepted: 3 } },
    });
    expect(await create(to(2))).toMatchObject({ status: 422, json: { type: problem('idempotency-mismatch') } });
    expect(sentTo()).toEqual(numbers(3));
    const key = 'key-of-another-caller';
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/events'],
      ['POST', '/cancel'],
    ] as const) {
      expect((await service.ask(method, `/v1/broadcasts/${id}${path}`, { key })).status).toBe(404);
    }
    expect((await service.ask('GET', '/v1/broadcasts', { key })).json).toEqual({ data: [] });
  });

  it('counts separately who opted out, who is not on WhatsApp, and what is unknown', async () => {
    await start({ GROUP_MAX_BROADCAST: '5' });
    const all = ['14155551000', '14155551020', '14155551022', '14155550423', '14155550422', '14155550202'];
    const { id } = fields(await create(all.map((number) => ({ to: number, parameters }))));
    expect(await finished(id)).toMatchObject({
      status: 'done',
      counts: { ...none, total: 6, accepted: 1, rejected: 4, unknown: 1 },
      rejections: { 'opted-out': 1, recipient: 2, account: 1 },
    });
    const [unknown] = (await messages(id)).filter(({ status }) => status === 'unknown');
    const looked = await service.ask('POST', `/v1/messages/${unknown?.id}/reconcile`);
    expect(looked).toMatchObject({ status: 200, json: { status: 'accepted', evidence: 'local-id' } });
    expect((await read(id)).counts).toMatchObject({ accepted: 2, unknown: 0 });
  });

  it('with a fault is not recorded, does not use its key up, and lists every fault', async () => {
    await start();
    const faulty = [
      { to: '14155561000', parameters },
      { to: '14155561001', parameters: { ...parameters, order_id: ' ' } },
      { to: '+14155561000', parameters: { customer_name: 'A', order_id: 'b', wrong: 'c' } },
    ];
    expect(await create(faulty)).toMatchObject({
      status: 422,
      json: {
        type: problem('template-parameters-invalid'),
        errors: [
          { pointer: '/recipients/1/parameters/order_id', detail: 'is blank' },
          { pointer: '/recipients/2/to', detail: 'is given twice, first at /recipients/0/to' },
          { pointer: '/recipients/2/parameters/order_status', detail: 'is missing' },
          { pointer: '/recipients/2/parameters/wrong' },
        ],
      },
    });
    expect((await create(to(1), { more: { template: 'nope' } })).json).toMatchObject({
      type: problem('template-unknown'),
    });
    expect((await service.ask('GET', '/v1/broadcasts')).json).toEqual({ data: [] });
    expect((await service.ask('GET', '/v1/messages')).json).toEqual({ data: [] });
    expect((await create(to(1))).status).toBe(202);
    const keyless = await service.ask('POST', '/v1/broadcasts', {
      json: { template: 'order_update', broadcastName: 'sale', recipients: to(1) },
    });
    expect(keyless).toMatchObject({ status: 400, json: { errors: [{ pointer: '/headers/idempotency-key' }] } });
  });

  it('waits while it is paused, continues when it is resumed, and ends when it is cancelled', async () => {
    const paced = await startPaced(10, { settings: { ...connection, GROUP_MAX_BROADCAST: '5' } });
    ({ service } = paced);
    // The turn that is free.
    await service.ask('GET', '/v1/templates');
    const { id } = fields(await create(to(60)));
    const sentMoreThan = (count: number) =>
      paced.during(expect.poll(() => sentTo().length).toBeGreaterThan(count) as Promise<void>);
    const steer = (verb: string) => service.ask('POST', `/v1/broadcasts/${id}/${verb}`);
    await sentMoreThan(5);
    expect(await steer('pause')).toMatchObject({ status: 200, json: { status: 'paused' } });
    await expect.poll(async () => (await read(id)).counts.sending).toBe(0);
    const { counts } = await read(id);
    const sofar = sentTo().length;
    expect(counts).toMatchObject({ accepted: sofar, queued: 60 - sofar });
    await paced.run(1_000);
    expect(sentTo().length).toBe(sofar);
    expect(await steer('pause')).toMatchObject({ status: 200, json: { status: 'paused' } });
    expect(await steer('resume')).toMatchObject({ status: 200, json: { status: 'running' } });
    await sentMoreThan(sofar);
    const cancelled = fields(await steer('cancel'));
    const { queued, sending, accepted, cancelled: dropped } = cancelled.counts;
    expect([cancelled.status, queued, sending + accepted + dropped]).toEqual(['cancelled', 0, 60]);
    const ended = await finished(id);
    expect(ended).toMatchObject({ status: 'cancelled', counts: { total: 60, queued: 0, sending: 0, unknown: 0 } });
    expect(ended.counts.accepted + ended.counts.cancelled).toBe(60);
    await paced.run(1_000);
    expect(sentTo().length).toBe(ended.counts.accepted);
    for (const verb of ['pause', 'resume']) {
      expect(await steer(verb)).toMatchObject({ status: 409, json: { type: problem('broadcast-over') } });
    }
    expect((await steer('cancel')).status).toBe(200);
  });

  it('reports its progress until its end', async () => {
    await start({ GROUP_MAX_BROADCAST: '10', MATON_RATE_PER_SECOND: '10', WATI_PLAN: 'none' });
    const { id } = fields(await create(to(150)));
    const stream = await service.ask('GET', `/v1/broadcasts/${id}/events`);
    expect(stream.headers['content-type']).toBe('text/event-stream');
    const events = stream.text
      .split('\n\n')
      .filter(Boolean)
      .map((event) => /^id: \w+\nevent: (\w+)\ndata: (.*)$/.exec(event));
    expect(events.at(-1)?.[1]).toBe('end');
    expect(events.slice(0, -1).every((event) => event?.[1] === 'progress')).toBe(true);
    const accepted = events.map((event) => (JSON.parse(event?.[2] ?? '') as Broadcast).counts.accepted);
    expect(accepted.length).toBeGreaterThan(2);
    expect(accepted).toEqual(accepted.toSorted((a, b) => a - b));
    expect(accepted.at(-1)).toBe(150);
  });

  it.each(['watiToken', 'matonKey'] as const)(
    'stays queued while the %s is refused, and continues when it works again',
    async (which) => {
      await start({ GROUP_MAX_BROADCAST: '5' });
      await service.ask('GET', '/v1/templates');
      const { settings } = service.simulator.tenant;
      settings[which] = 'revoked';
      const { id } = fields(await create(to(60)));
      await expect.poll(() => service.simulator.ledger.of(operation).length).toBeGreaterThan(0);
      const probes = () => service.simulator.ledger.of('getMessageTemplates').length;
      const before = probes();
      await expect.poll(probes).toBeGreaterThanOrEqual(before + 3);
      // What was on the wire when the first was refused ends alike; nothing begins after it.
      expect(service.simulator.ledger.of(operation).length).toBeLessThanOrEqual(8);
      expect(await read(id)).toMatchObject({
        status: 'paused',
        pausedBy: 'service',
        pauseReason: expect.stringContaining('refuses the credentials'),
        counts: { ...none, total: 60, queued: 60 },
      });
      settings[which] = 'ok';
      expect(await finished(id)).toMatchObject({ status: 'done', counts: { ...none, total: 60, accepted: 60 } });
      const accepted = service.simulator.ledger.of(operation).filter(({ processed }) => processed);
      expect(accepted.flatMap(({ recipients }) => recipients).toSorted()).toEqual(numbers(60));
    },
  );

  it('waits for a gateway that cannot be reached', async () => {
    await start({ GROUP_MAX_BROADCAST: '5' });
    await service.ask('GET', '/v1/templates');
    await service.simulator.stopGateway();
    const { id } = fields(await create(to(20)));
    const failed = /^wati_bff_upstream_attempts_total\{operation="getMessageTemplates",result="ECONNREFUSED"\} (\d+)$/m;
    const probes = async () => Number(failed.exec((await service.ask('GET', '/metrics')).text)?.[1] ?? 0);
    await expect.poll(probes).toBeGreaterThanOrEqual(3);
    expect((await read(id)).counts).toMatchObject({ queued: 20 });
    await service.simulator.startGateway();
    expect(await finished(id)).toMatchObject({ status: 'done', counts: { ...none, total: 20, accepted: 20 } });
  });
});

describe('an imported CSV', () => {
  const header = 'Phone,customer_name,order_id,order_status\n';
  const rows = (count: number) =>
    numbers(count)
      .map((number, n) => `${number},Asha,A-${n},shipped\n`)
      .join('');

  it('becomes a broadcast of its rows, with their columns as parameters', async () => {
    await start();
    const created = await importCsv(header + rows(1_200));
    expect(created).toMatchObject({ status: 202, json: { counts: { total: 1_200 } } });
    const { id } = fields(created);
    expect(await finished(id)).toMatchObject({ status: 'done', counts: { ...none, total: 1_200, accepted: 1_200 } });
    expect(new Set(sentTo())).toEqual(new Set(numbers(1_200)));
    const body = service.simulator.ledger.of(operation)[0]?.body as { receivers: { customParams: object[] }[] };
    expect(body.receivers[3]?.customParams).toContainEqual({ name: 'order_id', value: 'A-3' });
    const again = await importCsv(header + rows(1_200));
    expect(again).toMatchObject({ status: 202, headers: { 'idempotency-replayed': 'true' }, json: { id } });
    const other = await importCsv(header + rows(2));
    expect(other).toMatchObject({ status: 422, json: { type: problem('idempotency-mismatch') } });
  });

  it.each<[string, string, number, ProblemSlug, object]>([
    ['a fault in its last row', `${header}${rows(1_200)}14155561000,A,b,c\n`, 422, 'csv-invalid', { row: 1_201 }],
    ['no column for a parameter', 'Phone,customer_name,order_id\n14155561000,A,b\n', 422, 'csv-invalid', {}],
    ['a blank cell', `${header}14155561000,A,,c\n`, 422, 'csv-invalid', {}],
    ['no rows', header, 422, 'csv-invalid', {}],
  ])('with %s is not sent, leaves nothing behind and does not use up its key', async (_name, csv, status, slug) => {
    await start();
    expect(await importCsv(csv)).toMatchObject({ status, json: { type: problem(slug), outcome: 'not_sent' } });
    expect((await service.ask('GET', '/v1/broadcasts')).json).toEqual({ data: [] });
    expect((await service.ask('GET', '/v1/messages')).json).toEqual({ data: [] });
    const { id } = fields(await importCsv(header + rows(2)));
    await finished(id);
    expect(sentTo()).toEqual(numbers(2));
  });

  it('is a 503 if the store fails half way, leaves nothing behind and does not use its key up', async () => {
    const { store, failing } = failingStore(await openStore('memory:', OPTIONS));
    service = await startService({ settings: connection, store });
    const csv = header + rows(20_000);
    failing.add('addRecipients');
    expect(await importCsv(csv)).toMatchObject({
      status: 503,
      headers: { 'retry-after': '2' },
      json: { type: problem('store-unavailable'), outcome: 'not_sent', retryable: true },
    });
    expect((await service.ask('GET', '/v1/broadcasts')).json).toEqual({ data: [] });
    failing.clear();
    expect(await importCsv(csv)).toMatchObject({ status: 202, json: { counts: { total: 20_000 } } });
  });
});
