import { expect, it } from 'vitest';
import { type ConnectionCalls, MonthCalls } from '../../src/rate-limit/month-calls.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { type Service, startService } from '../support/service.ts';

it('keeps counts that it could not write, and adds those of other processes', async () => {
  const written: ConnectionCalls[] = [];
  let isAway = true;
  const faults: unknown[] = [];
  const calls = new MonthCalls(
    {
      countCalls: async (some) => {
        if (isAway) throw new Error('away');
        written.push(...some);
      },
      monthCalls: async () => [{ connectionId: 'c1', n: 7 }],
    },
    (error) => faults.push(error),
  );
  for (const id of ['c1', 'c1', 'c2']) calls.count(id);
  await calls.close();
  expect([written, faults.length]).toEqual([[], 1]);
  expect([await calls.of('c1'), await calls.of('c2'), await calls.of('c3')]).toEqual([9, 1, 0]);
  isAway = false;
  await calls.close();
  await calls.close();
  expect(written).toEqual([
    { connectionId: 'c1', n: 2 },
    { connectionId: 'c2', n: 1 },
  ]);
});

it('counts reads, sends and uploads of a connection, and no calls to Maton’s own API', async () => {
  const service: Service = await startService({
    settings: { MATON_CONNECTION_ID: seededConnection, WATI_PLAN: 'pro' },
  });
  try {
    const { ask, simulator } = service;
    await ask('GET', '/v1/connections');
    await ask('GET', '/v1/contacts');
    await ask('POST', '/v1/messages/text', { json: { to: '14155551000', text: 'Hello' } });
    const body = new FormData();
    body.append('file', new Blob(['hello']), 'a.txt');
    const form = new Request('http://x', { method: 'POST', body });
    await ask('POST', '/v1/messages/file?to=14155551000', {
      body: Buffer.from(await form.arrayBuffer()),
      headers: { 'content-type': form.headers.get('content-type') ?? '' },
    });
    const made = ['getContacts', 'sendSessionMessage', 'sendSessionFile'] as const;
    const n = made.map((operation) => simulator.ledger.of(operation).length).reduce((sum, each) => sum + each);
    expect(n).toBe(3);
    const { text } = await ask('GET', '/metrics');
    expect(text).toContain(`wati_bff_upstream_month_calls{connection="${seededConnection}"} 3`);
    expect(text).toContain('wati_bff_upstream_month_quota_calls 200000');
    expect(text).toContain('wati_bff_poll_calls_total 0');
  } finally {
    await service.close();
  }
});
