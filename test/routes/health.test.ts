import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Service, startService } from '../support/service.ts';

let service: Service | undefined;
afterEach(async () => {
  vi.restoreAllMocks();
  await service?.close();
  service = undefined;
});

const seeded = '21fd90f9-5935-43cd-b6c8-bde9d915ca80';
const started = async (...options: Parameters<typeof startService>) => {
  service = await startService(...options);
  return service;
};
const ready = (from: Service, method = 'GET') => from.ask(method, '/health/ready', { key: null });

const well = { status: 'ready', store: 'writable', gateway: 'reachable', key: 'accepted', connection: 'active' };

describe('readiness', () => {
  const cases: [string, Record<string, string>, (from: Service) => unknown, number, object][] = [
    ['all is well', {}, () => {}, 200, well],
    ['the configured connection is active', { MATON_CONNECTION_ID: seeded }, () => {}, 200, well],
    [
      'Maton refuses the key',
      {},
      (from) => Object.assign(from.simulator.tenant.settings, { matonKey: 'revoked' }),
      503,
      { status: 'not-ready', store: 'writable', gateway: 'reachable', key: 'refused', connection: 'unknown' },
    ],
    [
      'no connection is active',
      {},
      (from) => {
        for (const each of from.simulator.tenant.connections) each.status = 'FAILED';
      },
      503,
      { status: 'not-ready', store: 'writable', gateway: 'reachable', key: 'accepted', connection: 'none' },
    ],
    [
      'there is no connection at all',
      {},
      (from) => from.simulator.tenant.connections.splice(0),
      503,
      { status: 'not-ready', store: 'writable', gateway: 'reachable', key: 'accepted', connection: 'none' },
    ],
    [
      'the configured connection is another',
      { MATON_CONNECTION_ID: 'gone' },
      () => {},
      503,
      { status: 'not-ready', store: 'writable', gateway: 'reachable', key: 'accepted', connection: 'none' },
    ],
    [
      'Maton does not answer at all',
      { MATON_CONTROL_URL: 'http://127.0.0.1:1' },
      (from) => from.simulator.stopGateway(),
      200,
      { status: 'ready', store: 'writable', gateway: 'unreachable', key: 'unknown', connection: 'unknown' },
    ],
    [
      'Maton fails',
      {},
      (from) => from.simulator.script('listConnections', ...Array(3).fill({ status: 500 })),
      200,
      { status: 'ready', store: 'writable', gateway: 'unreachable', key: 'unknown', connection: 'unknown' },
    ],
  ];

  it.each(cases)('where %s', async (_what, settings, arrange, status, body) => {
    const from = await started({ settings });
    await arrange(from);
    const answer = await ready(from);
    expect({ status: answer.status, body: answer.json }).toEqual({ status, body });
    const head = await ready(from, 'HEAD');
    expect([head.status, head.text]).toEqual([status, '']);
    // Neither where Maton is, nor whose accounts there are.
    expect(answer.text).not.toMatch(/127\.0\.0\.1|maton|localhost|:\d|https?:|[0-9a-f]{8}/i);
    // The process itself is alive whatever Maton does.
    expect(await from.ask('GET', '/health/live', { key: null })).toMatchObject({
      status: 200,
      json: { status: 'live' },
    });
  });

  it.each([
    ['well', 'ok'],
    ['refused', 'revoked'],
  ] as const)('asks the control API once in ten seconds, however often it is asked: %s', async (_what, matonKey) => {
    const from = await started();
    from.simulator.tenant.settings.matonKey = matonKey;
    const calls = () => from.simulator.ledger.entries.filter(({ host }) => host === 'control').length;
    // A slow machine takes no part of the ten seconds.
    const real = performance.now.bind(performance);
    const start = real();
    let later = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => start + (real() - start) / 1_000 + later);

    const answers = await Promise.all(Array.from({ length: 30 }, () => ready(from)));
    for (let count = 0; count < 10; count++) await ready(from, 'HEAD');
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(calls()).toBe(1);
    later = 9_000;
    await ready(from);
    expect(calls()).toBe(1);
    later = 10_500;
    await ready(from);
    await ready(from);
    expect(calls()).toBe(2);
  });

  it('notices a recovery within ten seconds', async () => {
    const from = await started();
    from.simulator.tenant.settings.matonKey = 'revoked';
    expect((await ready(from)).status).toBe(503);
    from.simulator.tenant.settings.matonKey = 'ok';
    const real = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => real() + 10_500);
    expect(await ready(from)).toMatchObject({ status: 200, json: well });
  });
});

describe('an expired connection', () => {
  const words = { message: 'Connection expired. Please reconnect.' };
  const text = { to: '14155551000', text: 'Hello' };

  it.each<[string, number, object]>([
    ['a 500', 500, words],
    ['a 400', 400, { error: 'Connection has expired' }],
    ['a 401', 401, { detail: 'The connection is expired' }],
  ])('is told by readiness after %s to a read or a send, until a call succeeds', async (_what, status, body) => {
    const from = await started({ settings: { MATON_CONNECTION_ID: seeded } });
    const send = () => from.ask('POST', '/v1/messages/text', { json: text });
    for (const [operation, ask] of [
      ['getContacts', () => from.ask('GET', '/v1/contacts')],
      ['sendSessionMessage', send],
    ] as const) {
      from.simulator.script(
        operation,
        ...Array(operation === 'getContacts' && status === 500 ? 3 : 1).fill({ status, body }),
      );
      await ask();
      // Ready all the same: only a call can tell that it is well again.
      expect(await ready(from)).toMatchObject({ status: 200, json: { ...well, authorization: 'expired' } });
      await from.ask('GET', '/v1/contacts?page=2');
      expect((await ready(from)).json).toEqual(well);
    }
  });

  it('is not concluded from words that are quoted later, nor for another connection', async () => {
    const from = await started({ settings: { MATON_CONNECTION_ID: seeded } });
    const [first] = from.simulator.tenant.connections;
    if (first) from.simulator.tenant.connections.push({ ...first, id: 'another-one' });
    from.simulator.script('getContacts', { status: 400, body: { message: 'Not taken: connection expired' } });
    await from.ask('GET', '/v1/contacts');
    from.simulator.script('getContacts', { status: 400, body: words });
    await from.ask('GET', '/v1/contacts', { headers: { 'maton-connection': 'another-one' } });
    expect((await ready(from)).json).toEqual(well);
  });
});

describe('liveness', () => {
  it('makes no calls, and answers HEAD', async () => {
    const from = await started();
    expect((await from.ask('HEAD', '/health/live', { key: null })).status).toBe(200);
    expect(from.simulator.ledger.entries).toEqual([]);
  });
});

it('answers while Maton does not, long before a call times out', async () => {
  const service = await startService({ settings: { UPSTREAM_TIMEOUT_MS: '600000' } });
  service.simulator.script('listConnections', { fault: 'hang' });
  const answer = await service.ask('GET', '/health/ready', { key: null });
  expect([answer.status, answer.json]).toEqual([200, expect.objectContaining({ gateway: 'unreachable' })]);
  await service.close();
});
