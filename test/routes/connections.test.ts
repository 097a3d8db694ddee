import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { create, get, list, one, remove } from './connections-subjects.ts';
import { callersOwnHeaders, fields, seededConnection, upstreamHeaders } from './outcomes.ts';

const look = { method: 'GET', path: `/connections/${seededConnection}`, query: {} };
const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const limitedKey = 'the-key-of-a-limited-caller';

describe('connections upstream', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      callers: [{ name: 'limited', key: limitedKey, scopes: ['*'], connections: [seededConnection] }],
    });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  it.each([
    [list, [{ method: 'GET', path: '/connections', query: { app: 'wati', limit: '100' } }], {}],
    [get, [look], {}],
    [
      create,
      [{ method: 'POST', path: '/connections', query: {}, body: { app: 'wati' } }],
      { 'content-type': 'application/json', 'content-length': '14' },
    ],
    // Looked at first: an id can be of any app of the account.
    [remove, [look, { ...look, method: 'DELETE' }], {}],
  ])('$name becomes as few requests to the control API as can be', async (subject, wanted, more) => {
    const answer = await service.ask(subject.method, subject.path, { ...subject.ask, headers: callersOwnHeaders });
    expect(answer.status).toBe(subject.success ?? 200);
    const { entries } = service.simulator.ledger;
    const { 'maton-connection': _none, ...headers } = upstreamHeaders(service, 'keep-alive', more);
    expect(
      entries.map(({ host, method, path, query, body, headers }) => ({ host, method, path, query, body, headers })),
    ).toEqual(
      wanted.map((each) => ({
        host: 'control',
        body: undefined,
        ...each,
        headers: { ...headers, host: new URL(service.simulator.controlUrl).host },
      })),
    );
  });

  it('ignore those of other apps, and disconnect none of them', async () => {
    const foreign = service.simulator.tenant.addConnection({ id: 'of-another-app' });
    foreign.app = 'hubspot';
    for (const method of ['GET', 'DELETE']) {
      const answer = await service.ask(method, '/v1/connections/of-another-app');
      expect(answer.json).toMatchObject({ type: problem('not-found'), status: 404 });
    }
    expect(service.simulator.tenant.connections).toContain(foreign);
    expect(service.simulator.ledger.of('deleteConnection')).toEqual([]);
    // As if the control API did not filter.
    const row = (connection_id: string, app?: string) => ({ connection_id, status: 'ACTIVE', app });
    const connections = [row('a', 'WATI'), row('b', 'hubspot'), row('c')];
    service.simulator.script('listConnections', { body: { connections } });
    expect((await service.ask('GET', '/v1/connections')).json).toMatchObject({ data: [{ id: 'a' }, { id: 'c' }] });
  });

  it('lists what the caller may use, by status, and never the session address', async () => {
    const { tenant } = service.simulator;
    tenant.addConnection({ id: 'pending-1', status: 'PENDING' });
    tenant.addConnection({ id: 'failed-1', status: 'FAILED' });
    const seeded = {
      id: seededConnection,
      status: 'active',
      method: 'API_KEY',
      createdAt: isoTime,
      updatedAt: isoTime,
    };
    const all = await service.ask('GET', '/v1/connections');
    expect(all.json).toEqual({
      data: [
        seeded,
        { ...seeded, id: '7b1e4c52-0d5f-4a8e-9c36-52f1d7a0e9b4', status: 'failed' },
        { ...seeded, id: 'pending-1', status: 'pending' },
        { ...seeded, id: 'failed-1', status: 'failed' },
      ],
      page: { number: 1, size: 4, total: 4 },
    });
    expect((await service.ask('GET', '/v1/connections?status=failed')).json).toMatchObject({
      data: [{ id: '7b1e4c52-0d5f-4a8e-9c36-52f1d7a0e9b4' }, { id: 'failed-1' }],
    });
    const own = await service.ask('GET', '/v1/connections', { key: limitedKey });
    expect(own.json).toEqual({ data: [seeded], page: { number: 1, size: 1, total: 1 } });
    for (const { text } of [all, own]) expect(text).not.toMatch(/session_token|connect\.maton/);
    expect((await service.ask('GET', one)).text).not.toMatch(/session_token|connect\.maton/);
  });

  it('refuses to read or disconnect other callers’ connections, without a call', async () => {
    service.simulator.tenant.addConnection({ id: 'other' });
    for (const method of ['GET', 'DELETE']) {
      const answer = await service.ask(method, '/v1/connections/other', { key: limitedKey });
      expect(answer.json).toMatchObject({ type: problem('forbidden'), status: 403 });
    }
    expect(service.simulator.ledger.entries).toEqual([]);
  });

  it('changes from pending to active with the address shown once, and is gone after it is deleted', async () => {
    const created = await service.ask('POST', '/v1/connections', { json: {} });
    const { id, authorizationUrl } = fields(created.json);
    expect(created).toMatchObject({ status: 201, headers: { location: `/v1/connections/${id}` } });
    expect(created.json).toMatchObject({ status: 'pending' });
    expect(authorizationUrl).toMatch(/^https:\/\/connect\.maton\.ai\/\?session_token=/);
    const poll = async () => fields((await service.ask('GET', `/v1/connections/${id}`)).json).status;
    expect([await poll(), await poll()]).toEqual(['pending', 'active']);
    const end = await service.ask('DELETE', `/v1/connections/${id}`);
    expect([end.status, end.text]).toEqual([204, '']);
    expect((await service.ask('GET', `/v1/connections/${id}`)).json).toMatchObject({ type: problem('not-found') });
    expect(
      service
        .logs()
        .map((line) => JSON.stringify(line))
        .join(),
    ).not.toContain('session_token');
  });

  it('follows the pages of the control API', async () => {
    const row = (connection_id: string) => ({
      connection_id,
      status: 'ACTIVE',
      creation_time: '2025-12-08T07:20:53.488460Z',
    });
    service.simulator.script(
      'listConnections',
      { body: { connections: [row('a')], next_token: 't 1' } },
      { body: { connections: [row('b')], cursor: 'c1' } },
      { body: { connections: [row('b')] } },
    );
    const answer = await service.ask('GET', '/v1/connections');
    expect(answer.json).toMatchObject({ data: [{ id: 'a', createdAt: '2025-12-08T07:20:53.488Z' }, { id: 'b' }] });
    expect(service.simulator.ledger.entries.map(({ query }) => query)).toEqual([
      { app: 'wati', limit: '100' },
      { app: 'wati', limit: '100', next_token: 't 1' },
      { app: 'wati', limit: '100', next_token: 't 1', cursor: 'c1' },
    ]);
    // The simulator knows no cursor, and says so.
    service.simulator.reset();
  });

  it.each([
    ['POST', '/v1/connections', { app: 'slack' }],
    ['GET', '/v1/connections?status=ACTIVE', undefined],
    ['GET', '/v1/connections/..%2fconnections', undefined],
  ])('refuses %s %s before any byte', async (method, path, json) => {
    const answer = await service.ask(method, path, json ? { json } : {});
    expect(answer.json).toMatchObject({ type: problem('validation-failed'), status: 400 });
    expect(service.simulator.ledger.entries).toEqual([]);
  });
});
