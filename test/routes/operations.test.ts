import { afterEach, describe, expect, it } from 'vitest';
import { type Service, startService } from '../support/service.ts';
import { seededConnection } from './outcomes.ts';

let service: Service;
afterEach(() => service.close());
const ready = async () => {
  const { status, json } = await service.ask('GET', '/health/ready', { key: null });
  return [status, json];
};

describe('readiness', () => {
  const fine = { status: 'ready', store: 'writable', gateway: 'reachable', key: 'accepted', connection: 'active' };
  const states: [string, (service: Service) => void | Promise<void>, number, object][] = [
    ['all is well', () => {}, 200, fine],
    [
      'Maton refuses the key',
      ({ simulator }) => {
        simulator.tenant.settings.matonKey = 'revoked';
      },
      503,
      { status: 'not-ready', store: 'writable', gateway: 'reachable', key: 'refused', connection: 'unknown' },
    ],
    [
      'no connection exists',
      ({ simulator }) => {
        simulator.tenant.connections.length = 0;
      },
      503,
      { ...fine, status: 'not-ready', connection: 'none' },
    ],
    [
      'the only one is pending',
      ({ simulator }) => {
        for (const connection of simulator.tenant.connections) connection.status = 'PENDING';
      },
      503,
      { ...fine, status: 'not-ready', connection: 'none' },
    ],
    [
      'Maton answers nonsense',
      ({ simulator }) => simulator.script('listConnections', { body: '<html>' }),
      200,
      { status: 'ready', store: 'writable', gateway: 'unreachable', key: 'unknown', connection: 'unknown' },
    ],
  ];
  it.each(states)('where %s', async (_name, arrange, status, body) => {
    service = await startService({ settings: { MATON_CONNECTION_ID: seededConnection } });
    await arrange(service);
    expect(await ready()).toEqual([status, body]);
    expect(await ready()).toEqual([status, body]);
    expect(service.simulator.ledger.of('listConnections')).toHaveLength(1);
  });

  it('depends on the configured connection, not on any', async () => {
    service = await startService({ settings: { MATON_CONNECTION_ID: 'another' } });
    expect(await ready()).toEqual([503, { ...fine, status: 'not-ready', connection: 'none' }]);
  });

  it('reports that Maton does not answer, and stays ready', async () => {
    service = await startService({ settings: { MATON_CONTROL_URL: 'http://127.0.0.1:9' } });
    expect(await ready()).toEqual([
      200,
      { status: 'ready', store: 'writable', gateway: 'unreachable', key: 'unknown', connection: 'unknown' },
    ]);
    expect((await service.ask('GET', '/health/live', { key: null })).json).toEqual({ status: 'live' });
  });
});

describe('metrics', () => {
  it('require a key with their scope, and contain no number and no text', async () => {
    const key = 'the-key-of-a-sender-only';
    service = await startService({ callers: [{ name: 'sender', key, scopes: ['messages:send'] }] });
    const json = { to: '14155551000', text: 'A secret text' };
    await service.ask('POST', '/v1/messages/text', { key, json });
    await service.ask('POST', '/v1/messages/text', { key, json: { ...json, to: '19998880409' } });
    await service.ask('GET', '/v1/nowhere/14155551000');
    expect((await service.ask('GET', '/metrics', { key: null })).status).toBe(401);
    expect((await service.ask('GET', '/metrics', { key })).status).toBe(403);
    const { status, text, headers } = await service.ask('GET', '/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    for (const line of [
      'wati_bff_sends_total{kind="text",outcome="accepted"} 1',
      'wati_bff_sends_total{kind="text",outcome="rejected"} 1',
      'wati_bff_upstream_attempts_total{operation="sendSessionMessage",result="200"} 2',
      'wati_bff_http_requests_total{method="POST",route="/v1/messages/text",status="201",caller="sender"} 1',
      'wati_bff_http_requests_total{method="POST",route="/v1/messages/text",status="409",caller="sender"} 1',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).not.toMatch(/1415555|1999888|secret|nowhere/);
  });
});
