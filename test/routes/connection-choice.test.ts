import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Scripted } from '../../src/simulator/faults.ts';
import type { Operation } from '../../src/simulator/operations.ts';
import { slugOf } from '../support/json.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { fields, once, seededConnection } from './outcomes.ts';

const limitedKey = 'the-key-of-a-limited-caller';
const callers = [{ name: 'limited', key: limitedKey, scopes: ['*'], connections: ['c-2'] }];
const to = '14155551000';

let service: Service;

/** A service of its own for each test, because it keeps which connections Maton lists. */
async function start(
  settings: Record<string, string> = {},
  connections: [id: string, status: 'ACTIVE' | 'PENDING'][] = [],
) {
  service = await startService({ settings: { DOCS: 'off', ...settings }, callers });
  onTestFinished(service.close);
  const { tenant } = service.simulator;
  tenant.connections.length = 0;
  for (const [id, status] of connections) tenant.addConnection({ id, status });
}

/** A read, a change, a send and a template, whose choice is made in four places. */
async function askAll(key?: string, headers: Record<string, string> = {}) {
  const common = { headers, ...(key !== undefined && { key }) };
  const answers = [
    await service.ask('GET', '/v1/contacts', common),
    await service.ask('PUT', `/v1/conversations/${to}/status`, { ...common, json: { status: 'open' } }),
    await service.ask('POST', '/v1/messages/text', { ...common, json: { to, text: 'Hello' } }),
    await service.ask('POST', '/v1/messages/template', { ...common, json: { to, template: 'welcome' } }),
  ];
  const gateway = service.simulator.ledger.entries.filter(({ host }) => host === 'gateway');
  const seen = answers.map(({ status, json }) => `${status} ${slugOf(json) ?? 'fine'}`);
  return {
    answers: [...new Set(seen.map((word) => word.replace(/^20[01] /, '')))],
    connections: [...new Set(gateway.map(({ connection }) => connection))],
    control: service.simulator.ledger.of('listConnections').length,
  };
}

describe('the connection of a request', () => {
  it('is the one that the caller names', async () => {
    await start({ MATON_CONNECTION_ID: 'c-1' }, [
      ['c-1', 'ACTIVE'],
      ['c-2', 'ACTIVE'],
    ]);
    expect(await askAll(limitedKey, { 'maton-connection': 'c-2' })).toEqual({
      answers: ['fine'],
      connections: ['c-2'],
      // Whether Maton lists it, asked for once.
      control: 1,
    });
  });

  it('is the default where none is named', async () => {
    await start({ MATON_CONNECTION_ID: 'c-1' }, [
      ['c-1', 'ACTIVE'],
      ['c-2', 'ACTIVE'],
    ]);
    expect(await askAll()).toEqual({ answers: ['fine'], connections: ['c-1'], control: 0 });
  });

  it('is the only active one if there is no default, looked up once', async () => {
    await start({}, [
      ['c-1', 'PENDING'],
      ['c-2', 'ACTIVE'],
    ]);
    expect(await askAll(limitedKey)).toEqual({ answers: ['fine'], connections: ['c-2'], control: 1 });
  });

  it.each([
    [
      'several are active',
      {},
      [
        ['c-1', 'ACTIVE'],
        ['c-2', 'ACTIVE'],
      ],
      undefined,
      '409 connection-ambiguous',
    ],
    ['the only active one is not the caller’s', {}, [['c-1', 'ACTIVE']], limitedKey, '409 connection-ambiguous'],
    ['none is active', {}, [['c-1', 'PENDING']], undefined, '409 connection-unusable'],
    ['there is none', {}, [], undefined, '409 connection-unusable'],
    [
      'the default is not the caller’s',
      { MATON_CONNECTION_ID: 'c-1' },
      [
        ['c-1', 'ACTIVE'],
        ['c-2', 'ACTIVE'],
      ],
      limitedKey,
      '409 connection-ambiguous',
    ],
  ] as const)('is none, and nothing goes to WATI, where %s', async (_name, settings, connections, key, answer) => {
    await start(
      settings,
      connections.map(([id, status]) => [id, status]),
    );
    const { control: _asked, ...rest } = await askAll(key);
    expect(rest).toEqual({ answers: [answer], connections: [] });
  });

  it('is refused with a 403 where the caller may not use the one that it names', async () => {
    await start({ MATON_CONNECTION_ID: 'c-2' }, [
      ['c-1', 'ACTIVE'],
      ['c-2', 'ACTIVE'],
    ]);
    expect(await askAll(limitedKey, { 'maton-connection': 'c-1' })).toEqual({
      answers: ['403 forbidden'],
      connections: [],
      control: 0,
    });
  });

  it.each(['with space', 'é', 'x'.repeat(513)])('is a 400 where the name is %j', async (name) => {
    await start({ MATON_CONNECTION_ID: 'c-1' }, [['c-1', 'ACTIVE']]);
    const answer = await service.ask('GET', '/v1/contacts', { headers: { 'maton-connection': name } });
    expect(answer.json).toMatchObject({
      type: problem('validation-failed'),
      errors: [{ pointer: '/headers/maton-connection' }],
    });
    expect(service.simulator.ledger.entries).toEqual([]);
  });

  it.each([
    ['the control API refuses the key', { status: 401 }, '502 upstream-unauthorized'],
    ['the control API answers HTML', { body: '<html>' }, '502 upstream-invalid'],
  ])('cannot be told where %s: nothing is sent', async (_name, scripted, answer) => {
    await start({}, [['c-1', 'ACTIVE']]);
    await once(scripted)(service.simulator, 'listConnections');
    const text = await service.ask('POST', '/v1/messages/text', { json: { to, text: 'Hello' } });
    expect(`${text.status} ${slugOf(text.json)}`).toBe(answer);
    expect(service.simulator.ledger.of('sendSessionMessage')).toEqual([]);
    // A failure is not kept.
    expect((await service.ask('POST', '/v1/messages/text', { json: { to, text: 'Hello' } })).status).toBe(201);
  });
});

describe('the deadline of a request', () => {
  const connection = { MATON_CONNECTION_ID: seededConnection };
  let shared: Service;
  beforeAll(async () => {
    const NATIVE_PATHS = 'GET /api/v1/chatbots,POST /api/v1/chatbots/start';
    shared = await startService({ settings: { ...connection, NATIVE_PATHS, UPSTREAM_TIMEOUT_MS: '5000' } });
  });
  beforeEach(() => {
    shared.renew();
    service = shared;
  });
  afterAll(() => shared.close());
  const startOwn = async (settings: Record<string, string>) => {
    service = await startService({ settings });
    onTestFinished(service.close);
  };
  const text = (headers = {}) => service.ask('POST', '/v1/messages/text', { json: { to, text: 'Hello' }, headers });

  it('ends after SEND_WAIT_MS: 202 sending, and the delivery continues', async () => {
    await startOwn({ ...connection, SEND_WAIT_MS: '500', UPSTREAM_TIMEOUT_MS: '5000' });
    service.simulator.script('sendSessionMessage', { delayMs: 1_200 });
    const value = await text();
    expect(value).toMatchObject({ status: 202, json: { status: 'sending', attempts: 1, to } });
    expect(value.headers.location).toBe(`/v1/messages/${fields(value.json).id}`);
    // close() waits for the end of it.
    await service.app.close();
    expect(service.simulator.ledger.of('sendSessionMessage')).toMatchObject([{ processed: true, status: 200 }]);
  });

  it('is shortened by Prefer: wait=1 and never extended', async () => {
    await startOwn({ ...connection, SEND_WAIT_MS: '2000', UPSTREAM_TIMEOUT_MS: '5000' });
    service.simulator.script('sendSessionMessage', { delayMs: 3_000 }, { delayMs: 3_000 });
    const order: string[] = [];
    const asked = ['wait=1', 'wait=100'].map(async (prefer) => {
      const { status, json } = await text({ prefer });
      order.push(prefer);
      expect([status, fields(json).status]).toEqual([202, 'sending']);
    });
    await Promise.all(asked);
    expect(order).toEqual(['wait=1', 'wait=100']);
  });

  it('is shortened for reads, too: 504 after a second', async () => {
    service.simulator.script('getContacts', { delayMs: 1_500 });
    const value = await service.ask('GET', '/v1/contacts', { headers: { prefer: 'respond-async, wait=1' } });
    expect(value.json).toMatchObject({ type: problem('upstream-timeout'), status: 504 });
    expect(service.simulator.ledger.of('getContacts')).toHaveLength(1);
  });

  const full = (_: unknown, page: number) => {
    const others = Array.from({ length: 100 }, (_, at) => ({
      id: `c${page}-${at}`,
      wAid: `4915000${page}00${100 + at}`,
    }));
    return { delayMs: 400, body: { result: 'success', contact_list: others } };
  };
  const known = { delayMs: 600, body: { result: false, info: 'the contact already exists' } };
  const wait = { headers: { prefer: 'wait=1' } };
  /** It would be a good answer, after more than a second. */
  const slow = { delayMs: 1_500 };
  const start = `api/v1/chatbots/start?whatsappNumber=${to}&chatbotId=6622a1f0c3b4d5e6f7a8b901`;
  it.each<[string, string, string, Scripted[], Operation]>([
    ['the list of templates', 'GET', 'templates', [slow], 'getMessageTemplates'],
    ['all pages of a search', 'GET', `contacts/${to}`, Array.from({ length: 5 }, full), 'getContacts'],
    ['a change in two calls', 'PUT', `contacts/${to}`, [known], 'addContact'],
    ['a file', 'GET', 'media?path=data/a.png', [slow], 'getMedia'],
    ['a native call', 'GET', 'native/api/v1/chatbots', [slow], 'chatbots'],
    ['a native change', 'POST', `native/${start}`, [slow], 'startChatbot'],
  ])('covers %s', async (_name, method, path, scripted, operation) => {
    service.simulator.script(operation, ...scripted);
    service.simulator.script('updateContactAttributes', { delayMs: 600 });
    const json = method === 'PUT' ? { json: { attributes: { member: 'VIP' } } } : {};
    const value = await service.ask(method, `/v1/${path}`, { ...wait, ...json });
    expect(value.json).toMatchObject({ type: problem('upstream-timeout'), status: 504 });
  });

  it('covers the only connection', async () => {
    await startOwn({ UPSTREAM_TIMEOUT_MS: '5000' });
    service.simulator.script('listConnections', slow);
    const value = await service.ask('GET', '/v1/contacts', wait);
    expect(value.json).toMatchObject({ type: problem('upstream-timeout'), status: 504 });
  });

  it('is UPSTREAM_TIMEOUT_MS for all pages of a search together', async () => {
    await startOwn({ ...connection, UPSTREAM_TIMEOUT_MS: '500' });
    service.simulator.script('getContacts', ...Array.from({ length: 5 }, full));
    const value = await service.ask('GET', `/v1/contacts/${to}`);
    expect(value.json).toMatchObject({ type: problem('upstream-timeout'), status: 504 });
  });

  it('leaves a shared load running for its other requests', async () => {
    await startOwn({ ...connection, UPSTREAM_TIMEOUT_MS: '5000' });
    service.simulator.script('getMessageTemplates', { delayMs: 1_500 });
    const hasty = service.ask('GET', '/v1/templates', wait);
    const patient = service.ask('GET', '/v1/templates');
    expect([(await hasty).status, (await patient).status]).toEqual([504, 200]);
    expect(service.simulator.ledger.of('getMessageTemplates')).toHaveLength(1);
  });

  it('ends a send after a longer Retry-After as not_sent, at once', async () => {
    service.simulator.script('sendSessionMessage', { status: 429, headers: { 'retry-after': '2' } });
    const value = await text({ prefer: 'wait=1' });
    expect(value.json).toMatchObject({ type: problem('upstream-unavailable'), outcome: 'not_sent' });
    expect(value.headers['retry-after']).toBe('2');
    expect(service.simulator.ledger.of('sendSessionMessage')).toHaveLength(1);
  });

  it('does not end a send because its client disconnected', async () => {
    await startOwn(connection);
    service.simulator.script('sendSessionMessage', { delayMs: 300 });
    const caller = new AbortController();
    const gone = fetch(`${service.url}/v1/messages/text`, {
      method: 'POST',
      headers: { authorization: 'Bearer test-key-with-every-scope', 'content-type': 'application/json' },
      body: JSON.stringify({ to, text: 'Hello' }),
      signal: caller.signal,
    });
    await expect.poll(() => service.simulator.ledger.of('sendSessionMessage').length).toBe(1);
    caller.abort();
    await expect(gone).rejects.toThrow();
    await service.app.close();
    expect(service.simulator.ledger.of('sendSessionMessage')).toMatchObject([{ processed: true, status: 200 }]);
  });
});
