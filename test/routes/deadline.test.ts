import { afterEach, describe, expect, it } from 'vitest';
import type { Scripted } from '../../src/simulator/faults.ts';
import type { Operation } from '../../src/simulator/operations.ts';
import { type Ask, type Service, startService } from '../helper.ts';
import { fields, seededConnection, text } from './outcomes.ts';

const to = '14155551000';
const chosen = { MATON_CONNECTION_ID: seededConnection };
const wait = { headers: { prefer: 'wait=1' } };

let service: Service;
afterEach(() => service.close());

const start = async (settings: Record<string, string>) => {
  service = await startService({ settings: { DOCS: 'off', UPSTREAM_TIMEOUT_MS: '1000', ...settings } });
};

/** The answer, and what it took. */
async function took(method: string, path: string, ask: Ask = {}) {
  const sinceMs = performance.now();
  const answer = await service.ask(method, path, ask);
  return { answer, ms: performance.now() - sinceMs };
}

const templatePage = (at: number) => ({
  delayMs: 900,
  body: {
    messageTemplates: Array.from({ length: 100 }, (_, each) => ({
      id: `t${at}-${each}`,
      elementName: `t${at}_${each}`,
    })),
  },
});
const known = { delayMs: 900, body: { result: false, info: 'the contact already exists' } };
const slow = { delayMs: 900 };

describe('the time of a request is one for all of its calls', () => {
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
    const { answer, ms } = await took(method, `/v1/${path}`, ask);
    expect(answer.json).toMatchObject({ type: '/problems/upstream-timeout', status: 504 });
    expect(ms).toBeGreaterThan(950);
    expect(ms).toBeLessThan(1_700);
  });

  it('a look by its own id and into the history', async () => {
    await start({ ...chosen, WATI_CHANNEL_NUMBER: '14155550000' });
    service.simulator.script('sendSessionMessage', { fault: 'close-after' });
    const { headers } = await service.ask('POST', '/v1/messages/text', { json: { to, text: 'Hello' } });
    service.simulator.script('getMessageByLocalId', { ...slow, body: {}, process: false });
    service.simulator.script('getMessages', slow);
    const { answer, ms } = await took('POST', `${text(headers.location)}/reconcile`);
    expect(answer.json).toMatchObject({ type: '/problems/upstream-timeout', status: 504 });
    expect(ms).toBeLessThan(1_700);
  });

  it.each<[string, Operation]>([
    ['contacts', 'getContacts'],
    ['media?path=data/a.png', 'getMedia'],
  ])('and for the question whose fault a refusal is: %s', async (path, operation) => {
    await start({ ...chosen, UPSTREAM_TIMEOUT_MS: '5000' });
    service.simulator.script(operation, { status: 401 });
    service.simulator.script('listConnections', { delayMs: 2_500 });
    const { answer, ms } = await took('GET', `/v1/${path}`, wait);
    expect(answer.json).toMatchObject({
      type: '/problems/upstream-unauthorized',
      detail: expect.stringMatching(/could not be told$/),
    });
    expect(ms).toBeGreaterThan(950);
    expect(ms).toBeLessThan(1_700);
  });
});

it('a download whose turn would come too late for its answer is a 429 at once', async () => {
  await start({ ...chosen, MATON_RATE_PER_SECOND: '1', UPSTREAM_TIMEOUT_MS: '3000' });
  const all = await Promise.all(
    [1, 2, 3].map(() => took('GET', '/v1/media?path=data/images/5f0c6a3e-0001-4000-8000-000000000001.png')),
  );
  expect(all.map(({ answer }) => answer.status)).toEqual([200, 200, 429]);
  expect(all[2]?.ms).toBeLessThan(900);
});

describe('the time of a send', () => {
  const template = { json: { to, template: 'welcome' } };
  const longer = { headers: { prefer: 'wait=2' } };
  const listed = () => {
    service.simulator.script('getMessageTemplates', { delayMs: 1_200 });
    service.simulator.script('sendTemplateMessagesV2', { delayMs: 3_000 });
  };

  it('is what its template has left of it', async () => {
    await start({ ...chosen, UPSTREAM_TIMEOUT_MS: '5000' });
    listed();
    const { answer, ms } = await took('POST', '/v1/messages/template', { ...template, ...longer });
    expect(answer).toMatchObject({ status: 202, json: { status: 'sending' } });
    expect(ms).toBeGreaterThan(1_950);
    expect(ms).toBeLessThan(2_700);
  });

  it('is that of a resend, too', async () => {
    await start({ ...chosen, UPSTREAM_TIMEOUT_MS: '5000', TEMPLATE_CACHE_MS: '0' });
    service.simulator.script('sendTemplateMessagesV2', { fault: 'reset-before' });
    const { headers, json } = await service.ask('POST', '/v1/messages/template', template);
    expect(fields(json).status).toBe('unknown');
    listed();
    const { answer, ms } = await took('POST', `${text(headers.location)}/resend`, {
      json: { reason: 'lost' },
      ...longer,
    });
    expect(answer).toMatchObject({ status: 202, json: { status: 'sending' } });
    expect(ms).toBeLessThan(2_700);
  });

  it('ends while its connection is looked for: nothing is recorded or sent', async () => {
    await start({ SEND_WAIT_MS: '1000', UPSTREAM_TIMEOUT_MS: '5000' });
    service.simulator.script('listConnections', { delayMs: 2_500 });
    const { answer, ms } = await took('POST', '/v1/messages/text', { json: { to, text: 'Hello' } });
    expect(answer.json).toMatchObject({ type: '/problems/upstream-timeout', status: 504 });
    expect(ms).toBeLessThan(1_700);
    expect((await service.ask('GET', '/v1/messages')).json).toEqual({ data: [] });
    expect(service.simulator.ledger.of('sendSessionMessage')).toEqual([]);
  });
});
