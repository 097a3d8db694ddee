import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededConnection } from '../routes/outcomes.ts';
import { isRecord } from '../support/json.ts';
import { goodRequest, type Operation, operationsOf } from '../support/operations.ts';
import { type Service, startService } from '../support/service.ts';
import { wire } from '../support/wire.ts';

const png = 'data/images/5f0c6a3e-0001-4000-8000-000000000001.png';
/** Of one answer alone, or of how its body is written. */
const own = ['date', 'x-request-id', 'age', 'connection', 'keep-alive', 'transfer-encoding', 'content-length'];

describe('HEAD', () => {
  let service: Service;
  let gets: Operation[];
  beforeAll(async () => {
    service = await startService({
      settings: { MATON_CONNECTION_ID: seededConnection, NATIVE_PATHS: 'GET /api/v1/chatbots', TEMPLATE_CACHE_MS: '0' },
      callers: [
        { name: 'reader', key: 'a-key-that-reads-contacts-alone', scopes: ['contacts:read'], ratePerSecond: 1 },
      ],
    });
    gets = operationsOf().filter(({ method }) => method === 'GET');
  });
  afterAll(() => service.close());

  const path = (operation: Operation) => {
    const { path, query } = goodRequest(operation);
    return query.length > 0 ? `${path}?${query.join('&')}` : path;
  };
  const ask = (method: string, path: string, key?: string | null) =>
    wire(service.url, { method, path, ...(key !== undefined && { key }) });
  const lasting = (headers: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => !own.includes(name)));
  const calls = () => service.simulator.ledger.entries.length;

  it('answers on every GET route as GET does, with the same calls, and without the body', async () => {
    expect(gets.length).toBeGreaterThan(20);
    for (const operation of gets) {
      const before = calls();
      const full = await ask('GET', path(operation));
      const between = calls();
      const head = await ask('HEAD', path(operation));
      expect(head.text, operation.id).toBe('');
      expect([head.status, lasting(head.headers)], operation.id).toEqual([full.status, lasting(full.headers)]);
      expect([405, 500], operation.id).not.toContain(full.status);
      const { 'content-length': length } = head.headers;
      // Of metrics, and of what tells the time, each answer has its own length.
      if (length !== undefined && operation.id !== 'getMetrics' && !operation.path.includes('operations'))
        expect(length, operation.id).toBe(full.headers['content-length']);
      // Some answers are kept for a moment, for both.
      expect(calls() - between, operation.id).toBeLessThanOrEqual(between - before);
    }
  });

  it('is refused as GET is: without a key, without the scope, over the limit, with a fault', async () => {
    for (const operation of gets.filter(({ path }) => path.startsWith('/v1/'))) {
      const head = await ask('HEAD', path(operation), null);
      expect([head.status, head.text], operation.id).toEqual([401, '']);
      const faulty = operation.path.startsWith('/v1/native/') ? undefined : `${path(operation).split('?')[0]}?x=1`;
      if (faulty !== undefined) expect((await ask('HEAD', faulty)).status, operation.id).toBe(400);
    }
    const key = 'a-key-that-reads-contacts-alone';
    expect((await ask('HEAD', '/v1/templates', key)).status).toBe(403);
    const statuses = [await ask('HEAD', '/v1/contacts', key), await ask('GET', '/v1/contacts', key)];
    expect(statuses.map(({ status }) => status)).toContain(429);
  });

  it('has the length of a file without reading its bytes', async () => {
    const head = await ask('HEAD', `/v1/media?path=${png}`);
    expect(head).toMatchObject({
      status: 200,
      text: '',
      headers: { 'content-type': 'image/png', 'content-length': '70' },
    });
    // What GET would not hand out is not promised.
    service.simulator.script('getMedia', { body: '{"a":1}', contentType: 'application/json' });
    expect(await ask('HEAD', `/v1/media?path=${png}`)).toMatchObject({ status: 502, text: '' });
  });

  it('does not follow a broadcast', async () => {
    const headers = { 'idempotency-key': 'head' };
    const recipients = [{ to: '14155551000', parameters: { customer_name: 'A', order_id: '1', order_status: 'x' } }];
    const json = { template: 'order_update', broadcastName: 'a', recipients };
    const made = await service.ask('POST', '/v1/broadcasts', { json, headers });
    const id = isRecord(made.json) ? String(made.json.id) : '';
    const head = await ask('HEAD', `/v1/broadcasts/${id}/events`);
    expect(head).toMatchObject({ status: 200, text: '', headers: { 'content-type': 'text/event-stream' } });
    expect(head.headers['content-length']).toBeUndefined();
  });

  it('is a line of the log under its own name', async () => {
    await ask('HEAD', '/v1/contacts');
    const lines = () => service.logs().filter(({ method, route }) => method === 'HEAD' && route === '/v1/contacts');
    await expect.poll(() => lines().at(-1)).toMatchObject({ caller: 'tester' });
  });
});
