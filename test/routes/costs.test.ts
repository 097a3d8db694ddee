import { afterEach, describe, expect, it } from 'vitest';
import { DayQuota } from '../../src/rate-limit/day-quota.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { seededConnection } from './outcomes.ts';

const dayMs = 24 * 60 * 60 * 1000;
const connection = { MATON_CONNECTION_ID: seededConnection };
const to = '14155551000';
const key = 'the-key-of-a-caller-with-a-rate';

let service: Service | undefined;
afterEach(async () => {
  await service?.close();
  service = undefined;
});

describe('the cost of a request', () => {
  it('is charged to its caller’s rate by the number of its calls, except for sends', async () => {
    const callers = [{ name: 'rated', key, scopes: ['*'], ratePerSecond: 0.02 }];
    service = await startService({ settings: connection, callers });
    const { ask, simulator } = service;
    const pages = Array.from({ length: 5 }, (_, page) => {
      const others = Array.from({ length: 100 }, (_, at) => ({
        id: `c${page}-${at}`,
        wAid: `4915000${page}00${100 + at}`,
      }));
      return { body: { result: 'success', contact_list: others } };
    });
    simulator.script('getContacts', ...pages);
    expect((await ask('GET', `/v1/contacts/${to}`, { key })).status).toBe(404);
    expect(simulator.ledger.of('getContacts')).toHaveLength(5);
    // One call costs 50 s; of five, no more than a minute is charged beyond now.
    const { headers, status } = await ask('GET', '/v1/contacts', { key });
    expect(status).toBe(429);
    expect(Number(headers['retry-after'])).toBeGreaterThan(50);
  });
});

describe('the calls per day', () => {
  it('are shared by the replicas, and start anew at midnight UTC', () => {
    let now = 5 * dayMs + 1_000;
    let replicas = 1;
    const quota = new DayQuota(
      20,
      () => replicas,
      () => now,
    );
    for (let n = 0; n < 17; n++) quota.count();
    expect([quota.spentForMs('read'), quota.spentForMs('other')]).toEqual([0, 0]);
    quota.count();
    expect([quota.spentForMs('read'), quota.spentForMs('other')]).toEqual([dayMs - 1_000, 0]);
    replicas = 2;
    expect([quota.spentForMs('other'), quota.reading()]).toEqual([dayMs - 1_000, { used: 18, limit: 10 }]);
    now += dayMs;
    expect([quota.spentForMs('read'), quota.reading().used]).toEqual([0, 0]);
    expect(
      new DayQuota(
        undefined,
        () => 1,
        () => now,
      ).spentForMs('read'),
    ).toBe(0);
  });

  it('are refused to reads first, then to sends and changes, but never to a repeat', async () => {
    service = await startService({ settings: { ...connection, UPSTREAM_CALLS_PER_DAY: '10' } });
    const { ask, simulator } = service;
    const send = (id: string) =>
      ask('POST', '/v1/messages/text', { json: { to, text: 'Hello' }, headers: { 'idempotency-key': id } });
    for (let n = 0; n < 9; n++) expect((await send(`k${n}`)).status).toBe(201);
    const spent = { status: 429, json: { type: problem('quota-spent') } };
    for (const path of ['contacts', 'templates', `contacts/${to}`, 'media?path=data/a.png']) {
      expect(await ask('GET', `/v1/${path}`)).toMatchObject(spent);
      expect((await ask('HEAD', `/v1/${path}`)).status).toBe(429);
    }
    expect((await send('k9')).status).toBe(201);
    const refused = await send('k10');
    expect(refused).toMatchObject({ ...spent, json: { outcome: 'not_sent' } });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(await ask('PUT', `/v1/conversations/${to}/status`, { json: { status: 'open' } })).toMatchObject(spent);
    expect(await send('k1')).toMatchObject({ status: 201, headers: { 'idempotency-replayed': 'true' } });
    // What calls WATI not at all is there as before.
    for (const path of ['/v1/messages', '/v1/connections', '/health/ready']) {
      expect((await ask('GET', path)).status).toBe(200);
    }
    expect((await ask('GET', '/metrics')).text).toContain('wati_bff_upstream_calls_today 10');
    expect(simulator.ledger.of('sendSessionMessage')).toHaveLength(10);
  });
});

it('a caller may create as many connections per hour as the setting says', async () => {
  service = await startService({ settings: { CONNECTIONS_CREATED_PER_HOUR: '2' } });
  const create = async () => (await service?.ask('POST', '/v1/connections', { json: {} }))?.status;
  expect([await create(), await create(), await create()]).toEqual([201, 201, 429]);
});
