import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { maskedIn } from '../../src/http/request-log.ts';
import { createLogger } from '../../src/observability/logger.ts';
import type { Dispatchers } from '../../src/upstream/dispatchers.ts';
import { isRecord } from '../support/json.ts';
import { goodRequest, type Operation, operationsInOrder, operationsOf } from '../support/operations.ts';
import { allKey, type Service, startService } from '../support/service.ts';
import { wire } from '../support/wire.ts';

const seeded = '21fd90f9-5935-43cd-b6c8-bde9d915ca80';
const settings = { MATON_CONNECTION_ID: seeded, NATIVE_PATHS: 'GET /api/v1/chatbots' };
const fields = [
  'level',
  'time',
  'name',
  'reqId',
  'method',
  'route',
  'audit',
  'caller',
  'keyId',
  'remoteAddress',
  'callerRequestId',
  'status',
  'outcome',
  'problem',
  'to',
  'reference',
  'messageId',
  'broadcastId',
  'connection',
  'durationMs',
  'upstreamStatus',
  'upstreamMs',
  'upstreamCalls',
  'upstreamShared',
  'error',
  'msg',
]; // prettier-ignore

const recipient = '14155551000';
/** Every run of seven digits of the number: enough to call somebody, or to guess the rest. */
const runs = Array.from({ length: recipient.length - 6 }, (_, at) => recipient.slice(at, at + 7));
const words = 'Zaphod has sold your parcel';

/** Each recipient of a request is the one that is looked for, each free text the one that may not be seen. */
function marked(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => marked(item, name));
  if (isRecord(value))
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, marked(inner, key)]));
  if (name === 'to') return recipient;
  return /^(text|body|caption|name|customer_name|member)$/.test(name) ? words.slice(0, 20) : value;
}

function call(service: Service, operation: Operation, key: string | null = allKey) {
  const { path, query, headers, body } = goodRequest(operation);
  return wire(service.url, {
    method: operation.method,
    path: `${path.replace(/\d{11}/, recipient)}${query.length > 0 ? `?${query.join('&')}` : ''}`,
    key,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(marked(body)) }),
  });
}

const requestLines = (service: Service) => service.logs().filter(({ msg }) => msg === 'request');

/** The line is written once the answer is out, which the caller may see first. */
async function lines(service: Service, count: number) {
  await expect.poll(() => requestLines(service).length).toBe(count);
  return requestLines(service);
}

function expectNoSecrets(service: Service, ...more: string[]) {
  const log = JSON.stringify(service.logs());
  for (const hidden of [...runs, words.slice(0, 20), allKey, service.simulator.key, ...more])
    expect(log.includes(hidden), `the log has ${hidden}`).toBe(false);
}

describe('the log of a run over every route', () => {
  let service: Service;
  let operations: Operation[];
  beforeAll(async () => {
    service = await startService({ settings });
    operations = operationsInOrder();
  });
  afterAll(() => service.close());

  it('has one line for each request, with its pattern, caller, status, time and upstream status', async () => {
    for (const operation of operations) {
      const before = requestLines(service).length;
      const answer = await call(service, operation);
      const line = (await lines(service, before + 1)).at(-1);
      const about = `${operation.id}: ${JSON.stringify(line)}`;
      expect(
        Object.keys(line ?? {}).filter((name) => !fields.includes(name)),
        about,
      ).toEqual([]);
      expect(line, about).toMatchObject({
        level: 'info',
        method: operation.method,
        route: operation.path.replace('/native/{path}', '/native/*').replace(/\{(\w+)\}/g, ':$1'),
        status: answer.status,
        reqId: answer.headers['x-request-id'],
        durationMs: expect.any(Number),
      });
      expect(line?.caller, about).toBe(operation.scope === undefined ? undefined : 'tester');
      // The audit of every change: who, where, how it ended, and whom it was about.
      const writes = operation.method !== 'GET' && operation.method !== 'HEAD';
      expect(typeof line?.outcome, about).toBe(writes ? 'string' : 'undefined');
      if (writes && operation.path.includes('{recipient}')) expect(line?.to, about).toBe('***1000');
      if (line?.upstreamCalls !== undefined) expect(line.upstreamStatus, about).toBe(200);
      if (
        operation.path.startsWith('/v1/messages/') &&
        operation.scope === 'messages:send' &&
        operation.body &&
        answer.status === 201
      )
        expect(line, about).toMatchObject({ outcome: 'accepted', to: '***1000' });
    }
    const asked = requestLines(service).filter(({ upstreamCalls }) => upstreamCalls !== undefined);
    expect(asked.length).toBeGreaterThan(12);
    expect(requestLines(service).filter(({ outcome }) => outcome === 'accepted').length).toBeGreaterThan(3);
    expectNoSecrets(service);
  });

  it('has one line for each refusal, too: no key, no path, no method, bad address, bad body', async () => {
    const before = requestLines(service).length;
    const post = { method: 'POST', path: '/v1/messages/text', headers: { 'content-type': 'application/json' } };
    const requests = [
      { method: 'GET', path: `/v1/contacts/${recipient}`, key: null },
      { method: 'GET', path: `/v1/contacts/${recipient}`, key: 'key-that-nobody-ever-made' },
      { method: 'GET', path: `/v1/contacts/${recipient}?nonsense=${recipient}` },
      { method: 'GET', path: `/v1/nothing/${recipient}` },
      { method: 'POST', path: `/v1/contacts/${recipient}` },
      { method: 'GET', path: `/v1/contacts/%zz${recipient}` },
      { method: 'GET', path: `/v1/contacts/${recipient.repeat(300)}` },
      { ...post, body: `{"to":"${recipient}","text":"${words.slice(0, 20)}` },
      { ...post, body: `{"to":"${recipient}","text":["${words.slice(0, 20)}"]}` },
      { ...post, body: `{"to":"${recipient}","${words.slice(0, 20)}":1}` },
      { ...post, headers: { 'content-type': words }, body: '{}' },
    ];
    const statuses: number[] = [];
    for (const each of requests) statuses.push((await wire(service.url, each)).status);
    expect(statuses).toEqual([401, 401, 400, 404, 405, 400, 400, 400, 400, 400, 415]);
    const all = await lines(service, before + requests.length);
    expect(all.slice(before).map(({ status }) => status)).toEqual(statuses);
    expect(all.slice(before).map(({ problem }) => typeof problem)).toEqual(statuses.map(() => 'string'));
    expectNoSecrets(service, 'nobody-ever-made');
  });
});

it('the log of a service whose upstream fails contains the error, and nothing confidential', async () => {
  const broken = () => {
    throw new Error('the way out is broken');
  };
  const pool = { dispatch: broken, compose: broken } as unknown as Dispatchers['reads'];
  const dispatchers = { reads: pool, downloads: pool, sends: pool, control: pool, close: async () => {} };
  const service = await startService({
    settings: { ...settings, UPSTREAM_TIMEOUT_MS: '50', SEND_WAIT_MS: '50' },
    dispatchers,
  });
  const statuses = new Map<string, number>();
  for (const operation of operationsOf()) {
    const answer = await call(service, operation);
    statuses.set(operation.id, answer.status);
    expect(answer.text).not.toContain('the way out');
    expect(answer.text).not.toMatch(/\.ts:\d|node_modules/);
  }
  expect(Object.fromEntries(statuses)).toMatchObject({
    getMedia: 500,
    callNative: 500,
    sendText: 503,
    getContact: 503,
  });
  const all = await lines(service, statuses.size);
  const faults = all.filter(({ level }) => level === 'error');
  expect(faults.map(({ route, problem }) => [route, problem])).toEqual(
    expect.arrayContaining([
      ['/v1/media', 'internal'],
      ['/v1/native/*', 'internal'],
    ]),
  );
  for (const { error } of faults)
    expect(error).toMatchObject({
      name: 'Error',
      message: 'the way out is broken',
      stack: expect.stringContaining('/routes/'),
    });
  expect(all.filter(({ status }) => Number(status) >= 500 && status !== 503 && status !== 504)).toEqual(faults);
  expectNoSecrets(service);
  await service.close();
});

describe('the logger', () => {
  it('removes every secret, in whatever field or text it is', () => {
    let log = '';
    const write = (line: string) => {
      log += line;
    };
    const logger = createLogger('trace', ['secret-one', 'secret-two'], { write });
    logger.info({ a: { b: ['x secret-one y'] }, 'secret-two': 1 }, 'Bearer secret-one');
    logger.error(new Error('cause secret-two'), 'secret-one secret-one');
    logger.child({ key: 'secret-one' }).warn('child');
    expect(log).not.toMatch(/secret-(one|two)/);
    expect(log.match(/\[secret\]/g)?.length).toBeGreaterThanOrEqual(7);
    for (const line of log.trim().split('\n')) expect(() => JSON.parse(line)).not.toThrow();
  });
});

it('the address that authorizes a connection is in the answer to its creation and nowhere else', async () => {
  const service = await startService({ callers: [{ name: 'other', key: 'key-of-another-caller', scopes: ['*'] }] });
  const created = await service.ask('POST', '/v1/connections', { json: {} });
  expect(created.status).toBe(201);
  const { id, authorizationUrl } = isRecord(created.json) ? created.json : {};
  const url = String(authorizationUrl);
  expect(url).toMatch(/^https:\/\//);
  // Maton tells one on every look at a pending connection, so there is something to hide.
  const told = await wire(service.simulator.controlUrl, {
    method: 'GET',
    path: `/connections/${id}`,
    key: service.simulator.key,
  });
  const sign = /session_token/;
  expect(url).toMatch(sign);
  expect(told.text).toMatch(sign);

  for (const path of [
    '/v1/connections',
    '/v1/connections?status=pending',
    `/v1/connections/${id}`,
    '/metrics',
    '/health/ready',
  ]) {
    const answer = await service.ask('GET', path);
    expect(answer.status, path).toBe(200);
    expect(answer.text, path).not.toMatch(sign);
    expect(JSON.stringify(answer.headers), path).not.toMatch(sign);
  }
  const again = await service.ask('GET', `/v1/connections/${id}`, { key: 'key-of-another-caller' });
  expect(again.text).not.toMatch(sign);
  expect(JSON.stringify(service.logs())).not.toMatch(sign);
  await service.close();
});

describe('a text that a caller chose', () => {
  it.each([
    ['+1 415 - 555 - 1000', '+***1000'],
    ['+1 415 – 555 – 1000', '+***1000'],
    ['+49 (0) 171 / 123 45 67', '+***4567'],
    ['1,415,555,1234', '***1234'],
    ['1415\u200b555\u200b1234', '***1234'],
    ['1\u200b4\u200b1\u200b5\u200b5', '***4155'],
    ['14155551000, 14155551001', '***1001'],
  ])('has no number left: %j', (number, masked) => expect(maskedIn(`call ${number} now`)).toBe(`call ${masked} now`));

  it('keeps numbers that are too short, or separated by letters', () =>
    expect(maskedIn('ticket 12 of 34, order A123B456')).toBe('ticket 12 of 34, order A123B456'));
});
