import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { goodRequest, type Operation, operationsOf } from '../support/operations.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { openRequest } from './files-helper.ts';
import { fields, seededConnection } from './outcomes.ts';

const to = '14155551000';
const limitedKey = 'the-key-of-a-caller-with-a-wrong-entry';
const callers = [{ name: 'limited', key: limitedKey, scopes: ['*'], connections: [seededConnection, 'in-the-entry'] }];
const text = (service: Service, connection: string, headers: Record<string, string> = {}) =>
  service.ask('POST', '/v1/messages/text', {
    json: { to, text: 'Hello' },
    headers: { 'maton-connection': connection, ...headers },
  });
const isAsync = { prefer: 'respond-async' };
const refused = { status: 409, json: { type: problem('connection-unusable'), outcome: 'rejected' } };
const recorded = async (service: Service) => {
  const lists = await Promise.all(['messages', 'broadcasts'].map((name) => service.ask('GET', `/v1/${name}`)));
  return lists.flatMap(({ json }) => fields(json).data);
};

describe('a connection that Maton does not list', () => {
  let service: Service;
  let sending: Operation[];
  beforeAll(async () => {
    service = await startService({ callers });
    service.simulator.tenant.addConnection({ id: 'of-another-app' }).app = 'slack';
    service.simulator.tenant.addConnection({ id: 'was-deleted' });
    sending = operationsOf().filter(
      ({ connection, parameters }) =>
        connection && parameters.some(({ name }) => name.toLowerCase() === 'idempotency-key'),
    );
    // It is known, and then it goes.
    expect((await text(service, 'was-deleted', { 'idempotency-key': 'before' })).status).toBe(201);
    expect((await service.ask('DELETE', '/v1/connections/was-deleted')).status).toBe(204);
  });
  afterAll(() => service.close());

  const names = [
    'evil-1',
    seededConnection.toUpperCase(),
    seededConnection.slice(0, -1),
    `${seededConnection}.`,
    'of-another-app',
    'was-deleted',
    '__proto__',
    'x'.repeat(512),
  ];

  it('is refused on every route that sends, before its body is read, and nothing is recorded', async () => {
    expect(sending.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['sendText', 'sendFile', 'sendTemplateCsv', 'createBroadcast', 'importBroadcast']),
    );
    const before = await recorded(service);
    for (const [at, operation] of sending.entries()) {
      const { path, query, headers } = goodRequest(operation);
      // Of its body no byte comes: who waits for it would never answer.
      const request = openRequest(service, {
        path: `${path}?${query.join('&')}`,
        headers: {
          ...headers,
          'content-type': operation.form ? 'multipart/form-data; boundary=x' : 'application/json',
          'content-length': '1000',
          expect: '100-continue',
          'idempotency-key': randomUUID(),
          'maton-connection': names[at % names.length] ?? '',
        },
      });
      expect(await request.answer(), operation.id).toMatchObject(refused);
      expect(request.interim, operation.id).toEqual([]);
      request.socket.destroy();
    }
    expect(await recorded(service)).toEqual(before);
  });

  it.each(names)('is refused whatever its name, with or without a waiting client: %s', async (name) => {
    for (const prefer of [{}, isAsync, { prefer: 'wait=5' }]) {
      expect(await text(service, name, prefer)).toMatchObject(refused);
    }
  });

  it('is refused where the entry of the caller names it', async () => {
    const ask = { key: limitedKey, json: { to, text: 'Hello' }, headers: { 'maton-connection': 'in-the-entry' } };
    expect(await service.ask('POST', '/v1/messages/text', ask)).toMatchObject(refused);
    // Of others it learns nothing.
    const other = { ...ask, headers: { 'maton-connection': 'evil-1' } };
    expect((await service.ask('POST', '/v1/messages/text', other)).status).toBe(403);
  });

  it('answers a repeat like the first request', async () => {
    const repeat = await text(service, 'was-deleted', { 'idempotency-key': 'before' });
    expect([repeat.status, repeat.headers['idempotency-replayed']]).toEqual([201, 'true']);
    expect(await text(service, 'was-deleted', { 'idempotency-key': 'another' })).toMatchObject(refused);
  });

  it('costs few calls of the control API, and none where the connection is known', async () => {
    const calls = () => service.simulator.ledger.of('listConnections').length;
    expect((await text(service, seededConnection)).status).toBe(201);
    const before = calls();
    const answers = await Promise.all(Array.from({ length: 60 }, (_, at) => text(service, `evil-${at}`, isAsync)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([409]));
    for (let at = 0; at < 5; at += 1) expect((await text(service, seededConnection)).status).toBe(201);
    expect(calls() - before).toBeLessThanOrEqual(6);
  });

  it('is not one that was created a moment ago', async () => {
    const created = await service.ask('POST', '/v1/connections', { json: {} });
    const answer = await text(service, String(fields(created.json).id));
    // Not active yet: WATI says so, of a send that was recorded.
    expect(answer).toMatchObject(refused);
    expect(service.simulator.ledger.of('sendSessionMessage').at(-1)).toMatchObject({
      connection: fields(created.json).id,
    });
  });
});

describe('while the list of connections cannot be read', () => {
  let service: Service;
  afterEach(() => service.close());
  const refuses = (status: number) => service.simulator.script('listConnections', ...Array(8).fill({ status }));

  it('a send is made, because it may succeed', async () => {
    service = await startService();
    refuses(503);
    expect((await text(service, seededConnection)).status).toBe(201);
    expect([201, 202]).toContain((await text(service, seededConnection, isAsync)).status);
  });

  it('one without a waiting client is refused while Maton refuses the key, and nothing is recorded', async () => {
    service = await startService();
    refuses(401);
    const answer = await text(service, 'evil-1', isAsync);
    expect(answer).toMatchObject({ status: 502, json: { type: problem('upstream-unauthorized') } });
    expect(await recorded(service)).toEqual([]);
  });

  it('one without a waiting client is refused if the last list lacks its connection', async () => {
    service = await startService();
    expect((await text(service, seededConnection)).status).toBe(201);
    refuses(503);
    expect(await text(service, 'evil-1', isAsync)).toMatchObject(refused);
    expect([201, 202]).toContain((await text(service, seededConnection, isAsync)).status);
  });
});

describe('a resend', () => {
  it('is refused once the connection of its message is deleted', async () => {
    const service = await startService();
    service.simulator.tenant.addConnection({ id: 'leaves' });
    service.simulator.script('sendSessionMessage', { fault: 'reset-before' });
    const unknown = await text(service, 'leaves');
    expect(unknown).toMatchObject({ status: 202, json: { status: 'unknown' } });
    expect((await service.ask('DELETE', '/v1/connections/leaves')).status).toBe(204);
    const before = await recorded(service);
    const path = `/v1/messages/${fields(unknown.json).id}/resend`;
    expect(await service.ask('POST', path, { json: { reason: 'nothing came' } })).toMatchObject(refused);
    expect(await recorded(service)).toEqual(before);
    await service.close();
  });
});
