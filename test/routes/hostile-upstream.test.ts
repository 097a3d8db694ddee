import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { createTemplateCache } from '../../src/templates/template-cache.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { once, seededConnection } from './outcomes.ts';

const settings = {
  MATON_CONNECTION_ID: seededConnection,
  NATIVE_PATHS: 'GET /api/v1/chatbots,POST /api/v1/chatbots/start,POST /api/v1/addContact/{number}',
};

describe('a hostile upstream', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  it.each([
    ['a reason of 200 KB', { status: 400, body: { message: 'a-'.repeat(100_000) } }, '/v1/contacts', 422],
    ['a page of an edge', { status: 404, body: `<html>${'x'.repeat(60_000)}` }, '/v1/contacts', 404],
    ['a page that never ends', { body: `{"contact_list":["${'x'.repeat(5_000_000)}"]}` }, '/v1/contacts', 502],
    ['a byte order mark', { body: '\uFEFF{"contact_list":[],"link":{"total":0}}' }, '/v1/contacts', 200],
  ])('is bounded: %s', async (_name, answer, path, status) => {
    await once(answer)(service.simulator, 'getContacts');
    const told = await service.ask('GET', path);
    expect(told.status).toBe(status);
    expect(told.text.length).toBeLessThan(2_000);
  });

  it('costs no time with a template of blanks', async () => {
    const bodyOriginal = `{{a${' '.repeat(32_768)}`;
    const messageTemplates = [{ id: '1', elementName: 'blank', status: 'APPROVED', bodyOriginal }];
    await once({ body: { messageTemplates } })(service.simulator, 'getMessageTemplates');
    const { json } = await service.ask('GET', '/v1/templates?name=blank');
    expect(json).toMatchObject({ data: [{ name: 'blank', parameters: [] }] });
  });

  it.each([
    'javascript:alert(1)',
    'http://connect.maton.ai/?session_token=1',
    'https://evil.example/?session_token=1',
    'https://connect.maton.ai.evil.example/',
    'https://connect.maton.ai@evil.example/',
    'https://connect.maton.ai:8443/',
    `https://connect.maton.ai/${'x'.repeat(3_000)}`,
    'https://connect.maton.ai/ x',
  ])('sends nobody to %.60s', async (url) => {
    const connection = { connection_id: 'conn-1', status: 'PENDING', url };
    await once({ body: { connection } })(service.simulator, 'createConnection');
    const { json } = await service.ask('POST', '/v1/connections', { json: {} });
    expect(json).toMatchObject({ type: problem('upstream-invalid'), status: 502 });
  });

  it.each(['a/b', '../x', 'a\r\nb', 'x'.repeat(129), 'a?b', '//evil.example', 'é'])('has no id %.20j', async (id) => {
    const connection = { connection_id: id, status: 'ACTIVE' };
    const { simulator, ask } = service;
    simulator.script('createConnection', { body: { connection } });
    simulator.script('listConnections', { body: { connections: [connection] } });
    simulator.script('getConnection', { body: { connection } });
    for (const [method, path] of [
      ['POST', '/v1/connections'],
      ['GET', '/v1/connections'],
      ['GET', `/v1/connections/${seededConnection}`],
    ] as const) {
      const answer = await ask(method, path, method === 'POST' ? { json: {} } : {});
      expect(answer.json, `${method} ${path}`).toMatchObject({ type: problem('upstream-invalid'), status: 502 });
      expect(answer.headers.location).toBeUndefined();
    }
  });

  it('never appears in detail, and only masked in upstream.detail', async () => {
    const message = 'No seat left at db-1.internal (10.0.0.7) for asha@example.com, number 14155551234';
    await once({ status: 409, body: { message } })(service.simulator, 'getContacts');
    const { json } = await service.ask('GET', '/v1/contacts');
    expect(json).toMatchObject({
      detail: 'WATI refused this; its own words are in upstream.detail',
      upstream: { status: 409, detail: 'No seat left at [host] ([address]) for [e-mail], number ***1234' },
    });
  });

  it('costs two calls at most for a short number', async () => {
    const contact = (n: number) => ({ id: String(n), wAid: `16834000${100 + n}` });
    const page = { contact_list: Array.from({ length: 100 }, (_, n) => contact(n)) };
    for (let n = 0; n < 6; n++) service.simulator.script('getContacts', { body: page });
    expect((await service.ask('GET', '/v1/contacts/6834000')).status).toBe(404);
    expect(service.simulator.ledger.of('getContacts').length).toBeLessThanOrEqual(2);
  });

  it.each([
    'rotateToken.',
    'rotateToken+',
    'rotateToken@1',
    'rotate-token',
    'ROTATE_TOKEN',
    'rotateT%6fken',
    '.rotateToken',
  ])('is not asked to rotate its token as %s', async (segment) => {
    const { status } = await service.ask('POST', `/v1/native/api/v1/addContact/${segment}`);
    expect(status).toBe(403);
    expect(service.simulator.ledger.entries).toEqual([]);
  });

  it.each(['sendSessionMessage', 'Send-1', 'webhookEndpoints', 'rotate'])('is not asked for %s', async (segment) => {
    expect((await service.ask('POST', `/v1/native/api/v1/addContact/${segment}`)).status).toBe(403);
    expect(service.simulator.ledger.entries).toEqual([]);
  });
});

describe('a native answer with an invalid status', () => {
  let service: Service;
  let gateway: Server;
  let answer: RequestListener = () => {};
  beforeAll(async () => {
    gateway = createServer((request, response) => answer(request, response));
    await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
    const { port } = gateway.address() as AddressInfo;
    service = await startService({ settings: { ...settings, MATON_GATEWAY_URL: `http://127.0.0.1:${port}` } });
  });
  afterAll(async () => {
    await service.close();
    gateway.closeAllConnections();
    gateway.close();
  });

  it.each([600, 700, 999])('is a 502 with what is known: %i', async (status) => {
    let closed = 0;
    answer = (_request, response) => {
      response.writeHead(status, { 'content-type': 'text/plain' }).write('x'.repeat(100_000));
      response.once('close', () => {
        closed += 1;
      });
    };
    const read = await service.ask('GET', '/v1/native/api/v1/chatbots');
    expect(read.json).toMatchObject({ type: problem('upstream-invalid'), status: 502, upstream: { status } });
    const change = await service.ask('POST', '/v1/native/api/v1/chatbots/start');
    expect(change.json).toMatchObject({ status: 502, outcome: 'unknown', retryable: false });
    // Neither body is left lying on its connection.
    await expect.poll(() => closed, { timeout: 10_000 }).toBe(2);
  });
});

describe('NATIVE_PATHS', () => {
  const load = (paths: string) =>
    loadConfig({ MATON_API_KEY: 'a-key-of-some-length', CLIENTS_FILE: 'x', NATIVE_PATHS: paths }).NATIVE_PATHS;

  it.each([
    'POST /api/v1/{operation}',
    'GET /api/{version}/getContacts',
    'POST /api/ext/v3/{operation}',
    'POST /api/v1/sendSessionMessage/{number}',
    'POST /api/v2/sendTemplateMessages',
    'POST /api/v2/webhookEndpoints',
    'POST /api/v1/rotate-secret',
    'POST /api/v1/x/SEND',
    'unsafe POST /api/v1/rotateToken',
    'unsafe POST /api/v1/{operation}',
  ])('refuses %s', (entry) => expect(() => load(entry)).toThrow(/NATIVE_PATHS/));

  it('allow calls that send only after the word unsafe', () => {
    expect(load('unsafe POST /api/v1/sendSessionMessage/{number}')).toEqual([
      { method: 'POST', segments: ['api', 'v1', 'sendSessionMessage', undefined], unsafe: true },
    ]);
  });
});

it('the templates of the 32 most recently used connections are cached', async () => {
  const asked: string[] = [];
  const cache = createTemplateCache(
    {
      all: async ({ connection }) => {
        asked.push(connection);
        return [];
      },
    },
    60_000,
  );
  for (let n = 0; n < 32; n++) await cache.all({ connection: `c${n}` });
  await cache.all({ connection: 'c0' });
  await cache.all({ connection: 'c32' });
  asked.length = 0;
  for (const connection of ['c0', 'c32', 'c31', 'c1']) await cache.all({ connection });
  expect(asked).toEqual(['c1']);
});
