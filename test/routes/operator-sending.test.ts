import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { OPTIONS } from '../store/samples.ts';
import { goodRequest, type Operation, operationsOf } from '../support/operations.ts';
import { problem } from '../support/problem-type.ts';
import {
  auditLines,
  crmKey,
  csvForm,
  idIn,
  type OperatedService,
  pausedBroadcast,
  readerKey,
  reason,
  shopKey,
  soon,
  staff,
  startOperated,
  stop,
  writerKey,
} from './operator-helper.ts';
import { seededConnection } from './outcomes.ts';

let service: OperatedService;
beforeAll(async () => {
  service = await start();
});
beforeEach(() => service.renew());
afterEach(() => stop(service, {}));
afterAll(() => service.close());

const start = (options: { store?: Store; settings?: Record<string, string> } = {}) => {
  const settings = {
    MATON_CONNECTION_ID: seededConnection,
    NATIVE_PATHS: 'POST /api/v1/chatbots/start',
    ...options.settings,
  };
  return startOperated({ callers: staff, ...options, settings });
};

const text = (service: OperatedService, key: string, headers: Record<string, string> = {}) =>
  service.ask('POST', '/v1/messages/text', { key, json: { to: '14155551000', text: 'Hello' }, headers });
const refused = (detail: string) => ({
  status: 503,
  json: {
    type: problem('sending-stopped'),
    outcome: 'not_sent',
    retryable: true,
    detail: expect.stringContaining(detail),
  },
});

/** Read from the document, which has it from the routes: one that is added later is tried here, too. */
const sendingOperations = (): Operation[] =>
  operationsOf().filter(({ raw }) => JSON.stringify(raw).includes('#/components/examples/sending-stopped'));

const call = (service: OperatedService, operation: Operation, key: string, more: Record<string, string> = {}) => {
  const { path, query, headers, body } = goodRequest(operation);
  const form = operation.form ? csvForm : undefined;
  return service.ask(operation.method, query.length > 0 ? `${path}?${query.join('&')}` : path, {
    key,
    headers: { ...headers, ...form?.headers, ...more },
    ...(form && { body: form.body }),
    ...(body !== undefined && { json: body }),
  });
};

const nothingRecorded = async (service: OperatedService) => {
  const none = { queued: 0, sending: 0, accepted: 0, rejected: 0, notSent: 0, unknown: 0, cancelled: 0 };
  const { json } = await service.ask('GET', '/v1/operations/overview', { key: readerKey });
  expect(json).toMatchObject({ messages: none, broadcasts: { running: 0, paused: 0, held: 0 } });
  expect((await service.ask('GET', '/v1/operations/messages', { key: readerKey })).json).toEqual({ data: [] });
  expect((await service.ask('GET', '/v1/operations/broadcasts', { key: readerKey })).json).toEqual({ data: [] });
  // The control API is asked for readiness.
  expect(service.simulator.ledger.entries.filter(({ host }) => host === 'gateway')).toEqual([]);
};

describe('while sending is stopped', () => {
  it.each<[string, object]>([
    ['of everybody', { all: true }],
    ['of this caller, by its name in whatever case', { callers: ['TESTER'] }],
    ['over the connection', { connections: [seededConnection] }],
    ['of others, and over the connection', { callers: ['crm'], connections: ['another', seededConnection] }],
  ])('%s, each route that can send refuses, and nothing is recorded', async (_name, stopped) => {
    expect(await stop(service, stopped)).toMatchObject({ status: 200 });
    const operations = sendingOperations();
    const ids = operations.map(({ id }) => id);
    expect(ids).toEqual(
      expect.arrayContaining(['sendText', 'sendFile', 'sendTemplateCsv', 'createBroadcast', 'importBroadcast']),
    );
    expect(ids).toEqual(expect.arrayContaining(['resendMessage', 'callNativePost', 'sendTemplate', 'sendList']));
    for (const operation of operations) {
      // Which connection a resend takes stands in the record, and a native path that is not named is refused for that.
      const later = /^(resend((Any)?Message|Broadcast)|callNative(Put|Patch|Delete))$/.test(operation.id);
      if (later && 'connections' in stopped) continue;
      const answer = await call(service, operation, 'test-key-with-every-scope');
      expect(answer, `${operation.id} ${answer.text}`).toMatchObject(refused(reason));
      expect(answer.headers['retry-after'], operation.id).toBe('30');
    }
    await nothingRecorded(service);
  });

  it('other callers and other connections are served', async () => {
    await stop(service, { callers: ['crm'], connections: ['another'] });
    expect(await text(service, crmKey)).toMatchObject(refused('this caller'));
    expect((await text(service, shopKey)).status).toBe(201);
    expect(await text(service, shopKey, { 'maton-connection': 'another' })).toMatchObject(refused('this connection'));
  });

  it('a resend is refused by the connection of its record', async () => {
    service.simulator.script('sendSessionMessage', { fault: 'close-after' });
    const id = idIn((await text(service, crmKey)).json);
    await stop(service, { connections: [seededConnection] });
    const resend = await service.ask('POST', `/v1/messages/${id}/resend`, { key: crmKey, json: { reason: 'lost' } });
    expect(resend).toMatchObject(refused('this connection'));
    expect(service.simulator.ledger.of('sendSessionMessage')).toHaveLength(1);
  });

  it('a repeat under a key is answered from its record, and reading, pausing and cancelling work', async () => {
    const keyed = { 'idempotency-key': 'order-1' };
    const first = await text(service, crmKey, keyed);
    const broadcast = await pausedBroadcast(service, crmKey);
    await stop(service, { all: true, callers: ['crm'], connections: [seededConnection] });
    const again = await text(service, crmKey, keyed);
    expect(again).toMatchObject({ status: 201, headers: { 'idempotency-replayed': 'true' }, json: first.json });
    expect(await text(service, crmKey, { 'idempotency-key': 'order-2' })).toMatchObject(refused('all sending'));
    const id = idIn(first.json);
    for (const [method, path] of [
      ['GET', `/v1/messages/${id}`],
      ['POST', `/v1/messages/${id}/reconcile`],
      ['POST', `/v1/broadcasts/${broadcast}/pause`],
      ['POST', `/v1/broadcasts/${broadcast}/cancel`],
    ] as const) {
      expect((await service.ask(method, path, { key: crmKey })).status, path).toBe(200);
    }
  });

  it('is shown by readiness, which stays ready, and by the metrics', async () => {
    const ready = () => service.ask('GET', '/health/ready', { key: null });
    expect((await ready()).json).not.toHaveProperty('sending');
    await stop(service, { callers: ['crm', 'shop'] });
    expect(await ready()).toMatchObject({ status: 200, json: { status: 'ready', sending: 'stopped' } });
    const { text: metrics } = await service.ask('GET', '/metrics');
    expect(metrics).toContain('wati_bff_sending_stopped{scope="all"} 0');
    expect(metrics).toContain('wati_bff_sending_stopped{scope="caller"} 2');
    await stop(service, {});
    expect((await ready()).json).not.toHaveProperty('sending');
  });
});

describe('the stop', () => {
  it('is read and replaced as a whole, and each change is audited', async () => {
    // Its own, because it shows who changed the stop last.
    const fresh = await start();
    onTestFinished(() => fresh.close());
    const nothing = { all: false, callers: [], connections: [] };
    expect((await fresh.ask('GET', '/v1/operations/sending', { key: readerKey })).json).toEqual({ stopped: nothing });
    const answer = await stop(fresh, { all: true, callers: ['crm'] });
    const stands = { stopped: { ...nothing, all: true, callers: ['crm'] }, reason, changedBy: 'writer' };
    expect(answer.json).toEqual({ ...stands, changedAt: expect.stringMatching(/Z$/) });
    expect((await fresh.ask('GET', '/v1/operations/sending', { key: readerKey })).json).toEqual(answer.json);
    expect((await stop(fresh, {})).json).toMatchObject({ stopped: nothing });
    expect((await text(fresh, crmKey)).status).toBe(201);
    expect(auditLines(fresh)).toMatchObject([
      { act: 'sending', caller: 'writer', keyId: expect.stringMatching(/^[0-9a-f]{8}$/), remoteAddress: '127.0.0.1' },
      { act: 'sending', outcome: 'done', about: { stopped: nothing, before: stands.stopped, reason } },
    ]);
  });

  it('cannot name an unknown caller, and stays unchanged then', async () => {
    const answer = await stop(service, { callers: ['crm', 'crmm'] });
    expect(answer).toMatchObject({ status: 400, json: { errors: [{ pointer: '/stopped/callers/1' }] } });
    expect((await text(service, crmKey)).status).toBe(201);
    expect(auditLines(service)).toMatchObject([{ act: 'sending', outcome: 'refused' }]);
  });

  it('cannot be changed with the scope to read alone, nor read without one', async () => {
    expect((await stop(service, { all: true }, readerKey)).status).toBe(403);
    expect((await stop(service, { all: true }, crmKey)).status).toBe(403);
    expect((await service.ask('GET', '/v1/operations/sending', { key: crmKey })).status).toBe(403);
  });

  it('is kept over a restart, before the first send', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stopped-'));
    const settings = { STORE_URL: `file:${folder}/store.db` };
    const first = await start({ settings });
    await stop(first, { callers: ['crm'] });
    await first.close();
    const second = await start({ settings });
    expect(await text(second, crmKey)).toMatchObject(refused('this caller'));
    expect((await text(second, shopKey)).status).toBe(201);
    await second.close();
    rmSync(folder, { recursive: true });
  });

  it('reaches another replica on the same store within two seconds, and is released there', async () => {
    const store = await openStore('memory:', OPTIONS);
    const [one, other] = [await start({ store }), await start({ store })];
    await stop(one, { callers: ['crm'] });
    expect(await text(one, crmKey)).toMatchObject(refused('this caller'));
    await soon(async () => expect(await text(other, crmKey)).toMatchObject(refused('this caller')));
    await stop(other, {}, writerKey);
    expect((await text(other, crmKey)).status).toBe(201);
    await soon(async () => expect((await text(one, crmKey)).status).toBe(201));
    for (const replica of [one, other]) await replica.close();
  });
});
