import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { known } from './conversations-subjects.ts';
import { callersOwnHeaders, seededConnection, upstreamHeaders } from './outcomes.ts';

const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe('conversations upstream', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      settings: { MATON_CONNECTION_ID: seededConnection, WATI_CHANNEL_NUMBER: '14155550199' },
    });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  const requests: [string, string, object | undefined, object][] = [
    [
      'GET',
      `/v1/conversations/%2B${known}/messages?page=3&pageSize=20&events=true`,
      undefined,
      {
        method: 'GET',
        path: `/api/v1/getMessages/${known}`,
        query: { pageNumber: '3', pageSize: '20', channelPhoneNumber: '14155550199' },
      },
    ],
    [
      'GET',
      '/v1/conversations/US.123124141512/messages',
      undefined,
      {
        method: 'GET',
        path: '/api/v1/getMessages/US.123124141512',
        query: { pageNumber: '1', pageSize: '50', channelPhoneNumber: '14155550199' },
      },
    ],
    [
      'PUT',
      '/v1/conversations/65f0c0de0000000000000000/operator',
      { email: 'ben@example.com' },
      {
        method: 'POST',
        path: '/api/v1/assignOperator',
        query: { email: 'ben@example.com', whatsappNumber: '65f0c0de0000000000000000' },
      },
    ],
    [
      'PUT',
      `/v1/conversations/+${known}/operator`,
      { bot: true },
      { method: 'POST', path: '/api/v1/assignOperator', query: { whatsappNumber: known } },
    ],
    ...(['open', 'pending', 'solved', 'blocked'] as const).map((status): [string, string, object, object] => [
      'PUT',
      `/v1/conversations/${known}/status`,
      { status },
      {
        method: 'POST',
        path: '/api/v1/updateChatStatus',
        query: {},
        body: {
          whatsappNumber: known,
          ticketStatus: status === 'blocked' ? 'BLOCK' : status.toUpperCase(),
          channelPhoneNumber: '14155550199',
        },
      },
    ]),
  ];
  it.each(requests)(
    '%s %s %j becomes one request, with nothing of the caller’s in it',
    async (method, path, body, wanted) => {
      const answer = await service.ask(method, path, { ...(body && { json: body }), headers: callersOwnHeaders });
      expect(answer.status).toBe(200);
      const { entries } = service.simulator.ledger;
      const sent = entries[0]?.body;
      const length = sent === undefined ? 0 : JSON.stringify(sent).length;
      expect(entries.map(({ method, path, query, body, headers }) => ({ method, path, query, body, headers }))).toEqual(
        [
          {
            body: undefined,
            ...wanted,
            headers: upstreamHeaders(service, 'keep-alive', {
              ...(method === 'PUT' && { 'content-length': String(length) }),
              ...(sent !== undefined && { 'content-type': 'application/json' }),
            }),
          },
        ],
      );
    },
  );

  it('returns what was assigned and set, as WATI has it', async () => {
    const ask = (name: string, json: object) =>
      service.ask('PUT', `/v1/conversations/+${known}/${name}`, { json }).then((answer) => answer.json);
    const contact = () => service.simulator.tenant.contacts.get(known);
    expect(await ask('operator', { email: 'ben@example.com' })).toEqual({
      recipient: known,
      operator: 'ben@example.com',
    });
    expect(contact()?.operator).toBe('ben@example.com');
    expect(await ask('operator', { bot: true })).toEqual({ recipient: known, operator: 'bot' });
    expect(contact()?.operator).toBeUndefined();
    expect(await ask('status', { status: 'blocked' })).toEqual({ recipient: known, status: 'blocked' });
    expect(contact()?.ticketStatus).toBe('BLOCK');
  });

  it('shows messages newest first, templates included, and events only on request', async () => {
    type Page = { data: { type: string; direction: string; at: string }[]; page: object };
    const read = async (query: string) =>
      (await service.ask('GET', `/v1/conversations/${known}/messages?pageSize=100${query}`)).json as Page;
    const plain = await read('');
    const all = await read('&events=true');
    expect(all.data.filter(({ direction }) => direction === 'system').map(({ type }) => type)).toEqual([
      'ticket',
      'ticket',
    ]);
    expect(plain.data).toEqual(all.data.filter(({ direction }) => direction !== 'system'));
    expect(plain.data.map(({ at }) => at)).toEqual(
      plain.data
        .map(({ at }) => at)
        .toSorted()
        .toReversed(),
    );
    expect(plain.data.find(({ type }) => type === 'template')).toEqual({
      id: expect.any(String),
      direction: 'out',
      type: 'template',
      text: 'Hi Asha, your order A-1001 has shipped.',
      status: 'read',
      at: isoTime,
    });
    expect(plain.data.find(({ type }) => type === 'image')).toMatchObject({
      media: { path: 'data/images/5f0c6a3e-0001-4000-8000-000000000001.png' },
      operator: 'API',
    });
    expect(plain.data).toContainEqual(
      expect.objectContaining({ status: 'failed', failure: { code: '131047', detail: 'Re-engagement message' } }),
    );
    expect(all.page).toEqual({ number: 1, size: 100, total: all.data.length });
  });

  it.each(['14999999999', 'US.9999999999', 'f'.repeat(24)])(
    'is a 404 for %s, whom WATI does not know',
    async (target) => {
      for (const [method, path, json] of [
        ['GET', 'messages', undefined],
        ['PUT', 'operator', { bot: true }],
        ['PUT', 'status', { status: 'open' }],
      ] as const) {
        const answer = await service.ask(method, `/v1/conversations/${target}/${path}`, json ? { json } : {});
        expect(answer.json).toMatchObject({ type: problem('not-found'), status: 404 });
      }
    },
  );

  it.each([
    ['operator', {}],
    ['operator', { email: '' }],
    ['operator', { email: ' ' }],
    ['operator', { email: null }],
    ['operator', { bot: false }],
    ['operator', { bot: 'true' }],
    ['operator', { email: 'asha@example.com', bot: true }],
    ['operator', { email: 'a@b c' }],
    ['status', {}],
    ['status', { status: 'OPEN' }],
    ['status', { status: 'block' }],
  ])('refuses %s %j before any byte: never the bot by accident', async (path, json) => {
    const answer = await service.ask('PUT', `/v1/conversations/${known}/${path}`, { json });
    expect(answer.json).toMatchObject({ type: problem('validation-failed'), status: 400 });
    expect(service.simulator.ledger.entries).toEqual([]);
  });

  it('refuses an invalid recipient', async () => {
    for (const target of ['0123456789', 'us.123124141512', 'F'.repeat(24), '..%2f14155551000', '14155551000%0a']) {
      expect((await service.ask('GET', `/v1/conversations/${target}/messages`)).status, target).toBe(400);
    }
    expect(service.simulator.ledger.entries).toEqual([]);
  });
});
