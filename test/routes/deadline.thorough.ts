import { afterEach, describe, expect, it } from 'vitest';
import type { Scripted } from '../../src/simulator/faults.ts';
import type { Operation } from '../../src/simulator/operations.ts';
import { problem } from '../support/problem-type.ts';
import { type Ask, type Service, startService } from '../support/service.ts';
import { fields, seededConnection, text } from './outcomes.ts';

const to = '14155551000';
const chosen = { MATON_CONNECTION_ID: seededConnection };
const wait = { headers: { prefer: 'wait=2' } };

let service: Service;
afterEach(() => service.close());

const start = async (settings: Record<string, string>) => {
  service = await startService({ settings: { DOCS: 'off', UPSTREAM_TIMEOUT_MS: '500', ...settings } });
};

/** Each call ends well within the time of the request, and two of them do not. */
const slow = { delayMs: 400 };

const templatePage = (at: number) => ({
  ...slow,
  body: {
    messageTemplates: Array.from({ length: 100 }, (_, each) => ({
      id: `t${at}-${each}`,
      elementName: `t${at}_${each}`,
    })),
  },
});
const known = { ...slow, body: { result: false, info: 'the contact already exists' } };

describe('a request has one deadline for all of its calls', () => {
  const attributes = { json: { attributes: { member: 'VIP' } } };
  it.each<[string, string, string, Ask, Record<string, string>, [Operation, ...Scripted[]][]]>([
    [
      'the connection and a read',
      ...(['GET', 'contacts', {}, {}] as const),
      [
        ['listConnections', slow],
        ['getContacts', slow],
      ],
    ],
    [
      'the pages of the templates',
      'GET',
      'templates',
      {},
      chosen,
      [['getMessageTemplates', ...[1, 2, 3].map(templatePage)]],
    ],
    [
      'a change in two calls',
      ...(['PUT', `contacts/${to}`, attributes, chosen] as const),
      [
        ['addContact', known],
        ['updateContactAttributes', slow],
      ],
    ],
    [
      'the end of a connection',
      ...(['DELETE', `connections/${seededConnection}`, {}, chosen] as const),
      [
        ['getConnection', slow],
        ['deleteConnection', slow],
      ],
    ],
  ])('%s', async (_name, method, path, ask, settings, scripts) => {
    await start(settings);
    for (const [operation, ...scripted] of scripts) service.simulator.script(operation, ...scripted);
    const answer = await service.ask(method, `/v1/${path}`, ask);
    expect(answer.json).toMatchObject({ type: problem('upstream-timeout'), status: 504 });
  });

  it('a look-up by id and in the history', async () => {
    await start({ ...chosen, WATI_CHANNEL_NUMBER: '14155550000' });
    service.simulator.script('sendSessionMessage', { fault: 'close-after' });
    const { headers } = await service.ask('POST', '/v1/messages/text', { json: { to, text: 'Hello' } });
    service.simulator.script('getMessageByLocalId', { ...slow, body: {}, process: false });
    service.simulator.script('getMessages', slow);
    const answer = await service.ask('POST', `${text(headers.location)}/reconcile`);
    expect(answer.json).toMatchObject({ type: problem('upstream-timeout'), status: 504 });
  });

  it.each<[string, Operation]>([
    ['contacts', 'getContacts'],
    ['media?path=data/a.png', 'getMedia'],
  ])('and for the question whose fault a refusal is: %s', async (path, operation) => {
    await start({ ...chosen, UPSTREAM_TIMEOUT_MS: '5000' });
    service.simulator.script(operation, { status: 401 });
    service.simulator.script('listConnections', { delayMs: 2_500 });
    const answer = await service.ask('GET', `/v1/${path}`, wait);
    expect(answer.json).toMatchObject({
      type: problem('upstream-unauthorized'),
      detail: expect.stringMatching(/could not be told$/),
    });
  });
});

it('a download whose permit would come too late for its answer is a 429 at once', async () => {
  await start({ ...chosen, MATON_RATE_PER_SECOND: '1', UPSTREAM_TIMEOUT_MS: '3000' });
  const order: number[] = [];
  const all = [1, 2, 3].map(async () => {
    const { status } = await service.ask('GET', '/v1/media?path=data/images/5f0c6a3e-0001-4000-8000-000000000001.png');
    order.push(status);
  });
  await Promise.all(all);
  // The second waits a second for its turn; the third is refused long before.
  expect(order.toSorted()).toEqual([200, 200, 429]);
  expect(order.at(-1)).toBe(200);
});

describe('the deadline of a send', () => {
  const template = { json: { to, template: 'welcome' } };
  /** Together they take longer than the caller waits; the send alone would not. The first ends in time on a busy machine, too. */
  const listed = () => {
    service.simulator.script('getMessageTemplates', { delayMs: 300 });
    service.simulator.script('sendTemplateMessagesV2', { delayMs: 1_800 });
  };

  it('includes the time that its template took', async () => {
    await start({ ...chosen, UPSTREAM_TIMEOUT_MS: '5000' });
    listed();
    const answer = await service.ask('POST', '/v1/messages/template', { ...template, ...wait });
    expect(answer).toMatchObject({ status: 202, json: { status: 'sending' } });
  });

  it('includes the time that the list of connections took, and begins only once', async () => {
    await start({ SEND_WAIT_MS: '80', UPSTREAM_TIMEOUT_MS: '5000' });
    const { promise, resolve } = Promise.withResolvers<void>();
    service.simulator.script('listConnections', { until: promise });
    // Within a second deadline, but not in the last millisecond of the first, in which an answer at once may be in time.
    service.simulator.script('getMessageTemplates', { delayMs: 20 });
    const headers = { 'maton-connection': seededConnection };
    const answer = await service.ask('POST', '/v1/messages/template', { ...template, headers });
    resolve();
    expect(answer.json).toMatchObject({ type: problem('upstream-timeout'), status: 504 });
    expect(service.simulator.ledger.of('sendTemplateMessagesV2')).toEqual([]);
  });

  it('is the same for a resend', async () => {
    await start({ ...chosen, UPSTREAM_TIMEOUT_MS: '5000', TEMPLATE_CACHE_MS: '0' });
    service.simulator.script('sendTemplateMessagesV2', { fault: 'reset-before' });
    const { headers, json } = await service.ask('POST', '/v1/messages/template', template);
    expect(fields(json).status).toBe('unknown');
    listed();
    const answer = await service.ask('POST', `${text(headers.location)}/resend`, {
      json: { reason: 'lost' },
      ...wait,
    });
    expect(answer).toMatchObject({ status: 202, json: { status: 'sending' } });
  });

  it('ends while its connection is being checked: nothing is recorded or sent', async () => {
    await start({ SEND_WAIT_MS: '400', UPSTREAM_TIMEOUT_MS: '5000' });
    service.simulator.script('listConnections', { delayMs: 1_500 });
    const answer = await service.ask('POST', '/v1/messages/text', { json: { to, text: 'Hello' } });
    expect(answer.json).toMatchObject({ type: problem('upstream-timeout'), status: 504 });
    expect((await service.ask('GET', '/v1/messages')).json).toEqual({ data: [] });
    expect(service.simulator.ledger.of('sendSessionMessage')).toEqual([]);
  });
});
