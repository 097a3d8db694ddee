import { describe, expect, test, vi } from 'vitest';
import { standingClock } from '../support/standing-clock.ts';
import { codeOf, started } from './helper.ts';

const contacts = '/api/v1/getContacts';

describe('the gateway', () => {
  test('refuses a wrong and a missing key, and never keeps one', async () => {
    const { simulator, gateway, control } = await started();
    expect(await gateway(contacts, { headers: { authorization: 'Bearer nonsense' } })).toMatchObject({ status: 401 });
    expect((await gateway(contacts, { headers: { authorization: '' } })).status).toBe(401);
    expect((await control('/connections', { headers: { authorization: 'Bearer nonsense' } })).status).toBe(401);
    await gateway(contacts);
    expect(simulator.ledger.entries.map((entry) => [entry.headers.authorization, entry.status])).toEqual([
      ['wrong', 401],
      ['wrong', 401],
      ['wrong', 401],
      ['ok', 200],
    ]);
    expect(JSON.stringify(simulator.ledger.entries)).not.toContain(simulator.key);
  });

  test('answers an empty 401 for a revoked WATI token, while control still answers', async () => {
    const { simulator, gateway, control } = await started();
    simulator.tenant.settings.watiToken = 'revoked';
    expect(await gateway(contacts)).toMatchObject({ status: 401, text: '' });
    expect((await control('/connections')).status).toBe(200);
  });

  test('answers 400 without a usable connection and 500 for an expired one', async () => {
    const { simulator, gateway } = await started();
    const unknown = await gateway(contacts, { headers: { 'maton-connection': 'nobody' } });
    expect(unknown).toMatchObject({ status: 400 });
    expect(unknown.text).toContain('connection');
    const pending = simulator.tenant.addConnection({ status: 'PENDING' });
    expect((await gateway(contacts, { headers: { 'maton-connection': pending.id } })).status).toBe(400);
    const expired = simulator.tenant.addConnection({ expired: true });
    expect((await gateway(contacts, { headers: { 'maton-connection': expired.id } })).status).toBe(500);
    expect((await gateway(contacts)).status).toBe(200);
    simulator.tenant.connections.length = 0;
    expect((await gateway(contacts)).status).toBe(400);
  });

  test('answers 403 HTML to the agent of a library', async () => {
    const { gateway } = await started();
    for (const agent of ['undici', 'node', 'Python-urllib/3.12', '']) {
      const answer = await gateway(contacts, { headers: { 'user-agent': agent } });
      expect(answer.status).toBe(403);
      expect(answer.headers['content-type']).toContain('text/html');
    }
  });

  test('answers 404 for another app and an unknown path', async () => {
    const { simulator, gateway } = await started();
    expect((await gateway('/../other/api')).status).toBe(404);
    expect((await gateway('/api/v1/getcontacts')).status).toBe(404);
    expect((await gateway('/api/ext/v3/messageTemplates')).status).toBe(404);
    expect(simulator.ledger.of('unknown')).toHaveLength(3);
  });

  test('lets ten requests through in any second, over both hosts', async () => {
    const clock = standingClock();
    const { simulator, gateway, control } = await started({ perSecond: 10 });
    const statuses = await Promise.all(
      Array.from(
        { length: 14 },
        async (_, index) => (await (index % 2 ? control('/connections') : gateway(contacts))).status,
      ),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
    expect(statuses.filter((status) => status === 429)).toHaveLength(4);
    const refused = await gateway(contacts);
    expect(refused.headers['retry-after']).toBeUndefined();
    simulator.tenant.settings.retryAfter = '2';
    expect((await gateway(contacts)).headers['retry-after']).toBe('2');
    clock.pass(999);
    expect((await gateway(contacts)).status).toBe(429);
    clock.pass(1);
    expect((await gateway(contacts)).status).toBe(200);
    vi.restoreAllMocks();
  });

  test('writes down everything that a good client would not send', async () => {
    const { simulator, gateway } = await started();
    await gateway(contacts, { query: { foo: '1' }, headers: { 'x-forwarded-for': '10.0.0.1', traceparent: 'x' } });
    await gateway('/api/v1/sendSessionMessage/+14155551000', { method: 'POST', query: { messageText: 'a' } });
    await gateway('/api/v1/updateChatStatus', {
      method: 'POST',
      json: { WhatsappNumber: '14155551000', ticketStatus: 'OPEN' },
      headers: { 'content-type': 'text/json' },
    });
    expect(simulator.violations).toEqual([
      'getContacts: has the header x-forwarded-for, which must not reach the upstream',
      'getContacts: has the header traceparent, which must not reach the upstream',
      'getContacts: query has an unknown parameter foo',
      expect.stringContaining('sendSessionMessage: path target must match pattern'),
      'updateChatStatus: has the content type text/json where JSON is sent',
      'updateChatStatus: body lacks whatsappNumber',
      'updateChatStatus: body has an unknown property WhatsappNumber',
    ]);
    expect(simulator.ledger.entries.map((entry) => entry.status)).toEqual([400, 400, 400]);
  });

  test('is truly refused when it is stopped, and comes back on the same port', async () => {
    const { simulator, gateway } = await started();
    await simulator.stopGateway();
    expect(await codeOf(gateway(contacts))).toBe('ECONNREFUSED');
    await simulator.startGateway();
    expect((await gateway(contacts)).status).toBe(200);
  });

  test('shows and resets its ledger without a key', async () => {
    const { simulator, gateway, text } = await started();
    await text('14155551000');
    await gateway(contacts);
    const read = async (path: string, method = 'GET') =>
      (await fetch(`${simulator.gatewayUrl}${path}`, { method })).json();
    expect(await read('/_sandbox/ledger')).toMatchObject({ data: [{ operation: 'sendSessionMessage' }, {}] });
    expect(await read('/_sandbox/ledger?recipient=14155551000')).toMatchObject({ data: [{ processed: true }] });
    await read('/_sandbox/reset', 'POST');
    expect(simulator.ledger.entries).toEqual([]);
  });
});
