import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isRecord } from '../support/json.ts';
import { operationsOf } from '../support/operations.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { fields, type Subject, seededConnection } from './outcomes.ts';
import { formHeaders, formOf, sendingTo, streamingTo } from './sending.ts';

const byDefault = '919999900001';
const other = '919999900002';
const to = (at: number) => String(14_155_551_000 + at);

/** Where WATI looks for the channel. */
const places: Record<string, [part: 'query' | 'json', name: string]> = {
  sendSessionMessage: ['query', 'channelPhoneNumber'],
  sendSessionFileViaUrl: ['query', 'channelPhoneNumber'],
  sendSessionFile: ['query', 'channelPhoneNumber'],
  sendInteractiveButtonsMessage: ['query', 'channelPhoneNumber'],
  sendInteractiveListMessage: ['query', 'channelPhoneNumber'],
  sendTemplateMessagesV2: ['json', 'channel_number'],
  sendTemplateMessageCSV: ['query', 'channelNumber'],
  getMessages: ['query', 'channelPhoneNumber'],
  updateChatStatus: ['json', 'channelPhoneNumber'],
};

const broadcast = (name: string, path: string, ask: object): Subject => ({
  name,
  operation: 'sendTemplateMessagesV2',
  method: 'POST',
  path,
  ask,
});
const subjects: Subject[] = [
  ...sendingTo(to),
  ...streamingTo(to),
  broadcast('broadcasts', '/v1/broadcasts', {
    json: { template: 'welcome', broadcastName: 'b', recipients: [{ to: to(7) }, { to: to(8) }] },
    headers: { 'idempotency-key': 'broadcast' },
  }),
  broadcast('import', '/v1/broadcasts/import?template=welcome&broadcastName=i', {
    body: formOf(`Phone\r\n${to(9)}\r\n`, 'text/csv', 'a.csv'),
    headers: { ...formHeaders, 'idempotency-key': 'import' },
  }),
  { name: 'history', operation: 'getMessages', method: 'GET', path: `/v1/conversations/${to(0)}/messages`, ask: {} },
  {
    name: 'status',
    operation: 'updateChatStatus',
    method: 'PUT',
    path: `/v1/conversations/${to(0)}/status`,
    ask: { json: { status: 'solved' } },
  },
];

/** The same request, naming a channel where its route takes one. */
function through({ path, ask = {} }: Subject, channel: string): { path: string; ask: Subject['ask'] } {
  if (isRecord(ask.json) && path.startsWith('/v1/') && !path.includes('conversations')) {
    return { path, ask: { ...ask, json: { ...ask.json, channel } } };
  }
  return { path: `${path}${path.includes('?') ? '&' : '?'}channel=${encodeURIComponent(channel)}`, ask };
}

const withKey = (ask: Subject['ask'], key: string) => ({
  ...ask,
  headers: { ...ask?.headers, 'idempotency-key': key },
});

describe.each([
  ['configured', { WATI_CHANNEL_NUMBER: byDefault }, byDefault],
  ['not configured', {}, undefined],
])('a channel, with one %s,', (_how, settings, fallback) => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: { DOCS: 'off', MATON_CONNECTION_ID: seededConnection, ...settings } });
  });
  beforeEach(() => {
    service.simulator.reset();
    for (let at = 0; at < 10; at++) service.simulator.tenant.receive(to(at), 'Hello');
  });
  afterAll(() => service.close());

  const callsOf = async ({ operation }: Subject) => {
    const { ledger } = service.simulator;
    await expect.poll(() => ledger.of(operation).length, { timeout: 20_000 }).toBeGreaterThan(0);
    return ledger.of(operation).map(({ query, body }) => {
      const [part, name] = places[operation] ?? ['query', ''];
      return part === 'query' ? query[name] : fields(body)[name];
    });
  };

  it.each(subjects.map((subject) => [subject.name, subject] as const))('is sent with %s', async (name, subject) => {
    const key = `${name}-${fallback}`;
    const plain = await service.ask(subject.method, subject.path, withKey(subject.ask, key));
    expect(plain.status, plain.text).toBeLessThan(300);
    expect(await callsOf(subject)).toEqual([fallback]);
    if (fields(plain.json).kind !== undefined) expect(fields(plain.json).channel).toBe(fallback);

    service.simulator.ledger.clear();
    const { path, ask } = through(subject, `+${other}`);
    const named = await service.ask(subject.method, path, withKey(ask, `${key}-named`));
    expect(named.status, named.text).toBeLessThan(300);
    expect(await callsOf(subject)).toEqual([other]);
    if (subject.method === 'POST') expect(named.json).toMatchObject({ channel: other });

    // Under a key, another channel is another message.
    const again = await service.ask(subject.method, path, withKey(ask, key));
    if (subject.method === 'POST') expect(again.json).toMatchObject({ type: problem('idempotency-mismatch') });
    const wrong = through(subject, '0123');
    const errors = [{ pointer: wrong.path.includes('channel=') ? '/query/channel' : '/channel' }];
    expect((await service.ask(subject.method, wrong.path, wrong.ask)).json).toMatchObject({ status: 400, errors });
  });

  it('is refused explicitly if WATI takes none', async () => {
    const path = `/v1/conversations/${to(0)}/operator`;
    const json = { bot: true };
    expect((await service.ask('PUT', path, { json })).status).toBe(200);
    expect((await service.ask('PUT', `${path}?channel=${other}`, { json })).json).toMatchObject({
      status: 400,
      errors: [{ pointer: '/query/channel', detail: expect.stringContaining('takes no channel') }],
    });
    expect(service.simulator.ledger.of('assignOperator').map(({ query }) => Object.keys(query))).toEqual([
      ['whatsappNumber'],
    ]);
  });

  it('is kept for a resend, and for the look-up of the message', async () => {
    service.simulator.script('sendSessionMessage', { fault: 'reset-after', process: false });
    const json = { to: to(0), text: 'Hello', channel: other };
    const sent = fields((await service.ask('POST', '/v1/messages/text', { json })).json);
    expect(sent).toMatchObject({ status: 'unknown', channel: other });
    service.simulator.ledger.clear();
    await service.ask('POST', `/v1/messages/${sent.id}/reconcile`);
    const looked = service.simulator.ledger.entries.map(({ path }) => path);
    expect(looked[0]).toContain(`/whatsApp/messages/${other}/`);
    const resent = await service.ask('POST', `/v1/messages/${sent.id}/resend`, { json: { reason: 'nothing came' } });
    expect(resent.json).toMatchObject({ resendOf: sent.id, channel: other });
    expect(service.simulator.ledger.of('sendSessionMessage').map(({ query }) => query.channelPhoneNumber)).toEqual([
      other,
    ]);
  });

  it.each([
    [409, { message: 'Contact has multiple open conversations; specify one.' }, true],
    [409, undefined, true],
    [400, { error: 'channel_number can not be empty' }, true],
    [200, { result: false, info: 'Please specify the channel' }, true],
    [200, { result: false, info: 'The channel was disabled by Meta' }, false],
    [409, { message: 'The contact is being merged' }, false],
  ])('is asked for by a refusal with %i %j: %s', async (status, body, isAsked) => {
    const { simulator } = service;
    simulator.script('sendSessionMessage', { status, body, process: false });
    const sent = await service.ask('POST', '/v1/messages/text', { json: { to: to(0), text: 'Hello' } });
    expect(fields(sent.json).status).toBe(422);
    expect(String(fields(sent.json).detail).includes('name it in `channel`')).toBe(isAsked);
    simulator.script('getMessages', { status, body, process: false });
    const read = await service.ask('GET', `/v1/conversations/${to(0)}/messages`);
    expect(String(fields(read.json).detail).includes('in `channel`')).toBe(isAsked);
  });
});

it('is accepted by every route that sends or concerns a conversation', async () => {
  const service = await startService({ settings: { MATON_CONNECTION_ID: seededConnection } });
  const concerned = operationsOf().filter(
    ({ method, path, connection }) =>
      (method === 'POST' && connection && /^\/v1\/(messages|broadcasts)/.test(path)) ||
      (path.startsWith('/v1/conversations') && !path.endsWith('/operator')),
  );
  const without = concerned.filter(
    ({ parameters, body }) =>
      !parameters.some(({ name }) => name === 'channel') &&
      !(isRecord(body?.properties) && 'channel' in body.properties),
  );
  expect(concerned.length).toBeGreaterThanOrEqual(11);
  expect(without.map(({ id }) => id)).toEqual([]);
  await service.close();
});
