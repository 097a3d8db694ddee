import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { goodRequest, operationsOf, record } from '../support/operations.ts';
import { type Service, startService } from '../support/service.ts';
import { standingClock } from '../support/standing-clock.ts';
import { seededConnection } from './outcomes.ts';

/** Reads everything, and has events recorded. */
const key = 'a-key-of-thirty-two-characters-00';
const hosts = {
  EVENTS_SIGNING_KEY: randomBytes(32).toString('base64'),
  WEBHOOK_ALLOWED_HOSTS: 'http://127.0.0.1:9',
};

describe('the responses to reads', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      callers: [{ name: 'reader', key, scopes: ['*'], events: ['*'] }],
      settings: {
        ...hosts,
        MATON_CONNECTION_ID: seededConnection,
        NATIVE_PATHS: 'GET /api/v1/chatbots',
      },
    });
  });
  afterAll(() => service.close());

  const kept: Record<string, string> = {
    listTemplates: 'private, max-age=60',
    getTemplate: 'private, max-age=60',
    getMedia: 'private',
  };

  it('say how long they may be cached, as the document does: customers’ data and records not at all', async () => {
    const reads = operationsOf().filter(({ method, path }) => method === 'GET' && path.startsWith('/v1/'));
    expect(reads.length).toBeGreaterThan(9);
    const sent = await service.ask('POST', '/v1/messages/text', { key, json: { to: '14155551000', text: 'hello' } });
    const broadcast = await service.ask('POST', '/v1/broadcasts', {
      key,
      json: { template: 'welcome', broadcastName: 'sale', recipients: [{ to: '14155551000' }] },
      headers: { 'idempotency-key': 'sale' },
    });
    const endpoint = await service.ask('POST', '/v1/webhook-endpoints', {
      key,
      json: { url: 'http://127.0.0.1:9/', types: ['broadcast.finished'] },
    });
    const recorded = await service.ask('GET', '/v1/events', { key, headers: { prefer: 'wait=30' } });
    const [event] = [record(recorded.json).data].flat();
    const ids: Record<string, string> = {
      getEvent: `/v1/events/${record(event).id}`,
      getWebhookEndpoint: `/v1/webhook-endpoints/${record(endpoint.json).id}`,
      listWebhookDeliveries: `/v1/webhook-endpoints/${record(endpoint.json).id}/deliveries`,
      getBroadcast: `/v1/broadcasts/${record(broadcast.json).id}`,
      streamBroadcast: `/v1/broadcasts/${record(broadcast.json).id}/events`,
      reportBroadcast: `/v1/broadcasts/${record(broadcast.json).id}/recipients.csv`,
      getAnyBroadcast: `/v1/operations/broadcasts/${record(broadcast.json).id}`,
      reportAnyBroadcast: `/v1/operations/broadcasts/${record(broadcast.json).id}/recipients.csv`,
      getMessage: `/v1/messages/${record(sent.json).id}`,
      getAnyMessage: `/v1/operations/messages/${record(sent.json).id}`,
      getConnection: `/v1/connections/${seededConnection}`,
    };
    for (const operation of reads) {
      const { path, query } = goodRequest(operation);
      // It has no end, and says the same of itself in its head (test/routes/events-live.test.ts).
      if (operation.id === 'streamEvents') continue;
      const answer = await service.ask('GET', `${ids[operation.id] ?? path}?${query.join('&')}`, { key });
      expect(answer.status, `${operation.id} ${answer.text.slice(0, 200)}`).toBe(200);
      const wanted = kept[operation.id] ?? 'no-store';
      expect([operation.id, answer.headers['cache-control']]).toEqual([operation.id, wanted]);
      const { headers } = record(record(operation.raw.responses)['200']);
      expect(record(record(record(headers)['Cache-Control']).schema), operation.id).toMatchObject({
        examples: [wanted],
      });
    }
  });

  it('of templates have the age of the list', async () => {
    for (const path of ['/v1/templates', '/v1/templates/welcome']) {
      const { age } = (await service.ask('GET', path)).headers;
      expect(Number(age), path).toBeLessThan(30);
    }
    standingClock().pass(1_000);
    for (const path of ['/v1/templates', '/v1/templates/welcome']) {
      const { age } = (await service.ask('GET', path)).headers;
      expect(Number(age), path).toBeGreaterThanOrEqual(1);
    }
    vi.restoreAllMocks();
  });

  it.each(['/v1/templates/nope', '/v1/contacts/19995550000', '/v1/nothing', '/v1/media?path=../x', '/v1/media?path=x'])(
    'are never cached if they are problems: %s',
    async (path) => {
      const answer = await service.ask('GET', path);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect([answer.headers['cache-control'], answer.headers.age]).toEqual(['no-store', undefined]);
    },
  );
});
