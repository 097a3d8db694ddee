import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { operationsOf } from '../support/operations.ts';
import { type Paced, startPaced } from '../support/paced.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { seededConnection } from './outcomes.ts';
import { csvSubject, fileSubject, sendingTo } from './sending.ts';

const key = (name: string) => `key-of-the-caller-${name}`;
const caller = (name: string, scopes: string[], rest = {}) => ({ name, key: key(name), scopes, ...rest });
const login = caller('login', ['messages:send', 'messages:urgent', 'messages:read']);
const crm = caller('crm', ['messages:send', 'broadcasts:send', 'messages:read', 'contacts:read', 'templates:read']);
const heavy = caller('heavy', ['messages:send'], { weight: 4 });
const urgent = { priority: 'u=0' };

describe('a send with Priority: u=0', () => {
  let service: Service;
  let shared: Service;
  beforeAll(async () => {
    shared = await startService(options());
  });
  beforeEach(() => {
    shared.renew();
    service = shared;
  });
  afterAll(() => shared.close());

  const options = (settings: Record<string, string> = {}) => ({
    settings: { DOCS: 'off', MATON_CONNECTION_ID: seededConnection, WATI_PLAN: 'none', ...settings },
    callers: [login, crm, heavy],
  });
  /** Time stands still: whatever is asked after the first call waits for its turn. */
  const startSlow = async (settings: Record<string, string> = {}) => {
    const paced = await startPaced(5, options(settings));
    ({ service } = paced);
    onTestFinished(() => paced.service.close());
    return paced;
  };
  const waiting = ({ rateLimiter }: Paced, lane: 'urgent' | 'interactive', count: number) =>
    expect.poll(() => rateLimiter.stats().lanes[lane].queued).toBe(count);
  const text = (name: string, to: string, headers = {}) =>
    service.ask('POST', '/v1/messages/text', { key: key(name), json: { to, text: 'hello' }, headers });
  const flood = (name: string, to: string, count: number) =>
    Promise.all(Array.from({ length: count }, () => text(name, to, { prefer: 'respond-async' })));
  const order = () => service.simulator.ledger.entries.map(({ operation, recipients }) => recipients[0] ?? operation);

  it('is sent before all that wait', async () => {
    const paced = await startSlow();
    await flood('crm', '14155551000', 20);
    await waiting(paced, 'interactive', 19);
    const asked = text('login', '14155551001', urgent);
    await waiting(paced, 'urgent', 1);
    expect((await paced.during(asked)).status).toBe(201);
    expect(order().indexOf('14155551001')).toBe(1);
  });

  it('also reads its template and connection before all that wait, even if another request waits for the same', async () => {
    const paced = await startSlow({ MATON_CONNECTION_ID: '' });
    const named = { 'maton-connection': seededConnection, prefer: 'respond-async' };
    for (let n = 0; n < 30; n++) await text('crm', '14155551000', named);
    const others = [
      service.ask('GET', '/v1/templates', { key: key('crm') }),
      service.ask('GET', '/v1/templates', { key: key('crm'), headers: { 'maton-connection': seededConnection } }),
    ];
    await waiting(paced, 'interactive', 31);
    const before = order().length;
    const json = { to: '14155551001', template: 'welcome' };
    const asked = service.ask('POST', '/v1/messages/template', { key: login.key, json, headers: urgent });
    await waiting(paced, 'urgent', 1);
    expect((await paced.during(asked)).status).toBe(201);
    const since = order().slice(before);
    // One turn may be another's between two of its calls: time does not wait for the next one.
    expect(since.indexOf('14155551001')).toBeLessThanOrEqual(4);
    expect(since.filter((name) => name === '14155551000').length).toBeLessThanOrEqual(2);
    // And those who waited for the same were served with it.
    await paced.during(Promise.all(others));
    for (const operation of ['listConnections', 'getMessageTemplates'] as const)
      expect(service.simulator.ledger.of(operation)).toHaveLength(1);
  });

  it('is a 403 that names the scope without it, on every sending route, before anything is sent', async () => {
    const subjects = [...sendingTo(() => '14155551000'), fileSubject('14155551000'), csvSubject('14155551000')];
    for (const { name, method, path, ask = {} } of subjects) {
      const answer = await service.ask(method, path, { ...ask, key: crm.key, headers: { ...ask.headers, ...urgent } });
      expect(answer.json, name).toMatchObject({
        type: problem('forbidden'),
        detail: expect.stringContaining('messages:urgent'),
      });
    }
    expect(service.simulator.ledger.entries).toEqual([]);
    expect((await service.ask('GET', '/v1/messages', { key: crm.key })).json).toEqual({ data: [] });
  });

  it('is possible for a resend as well', async () => {
    service.simulator.script('sendSessionMessage', { fault: 'reset-after' });
    const { json } = await text('crm', '14155551000');
    const { id, status } = json as { id: string; status: string };
    expect(status).toBe('unknown');
    const resend = (headers: Record<string, string>) =>
      service.ask('POST', `/v1/messages/${id}/resend`, { key: crm.key, json: { reason: 'lost' }, headers });
    expect((await resend(urgent)).json).toMatchObject({ detail: expect.stringContaining('messages:urgent') });
    expect((await resend({ priority: 'u=1' })).status).toBe(201);
  });

  it.each(['u=8', 'u=00', 'u', 'u=-1', '0', 'urgent', 'u=0;', 'u=0,,i', 'i=1', 'u = 0', ''])(
    'is a 400 if it is written as %j',
    async (priority) => {
      const answer = await text('login', '14155551000', { priority });
      expect(answer.json).toMatchObject({ status: 400, errors: [{ pointer: '/headers/priority' }] });
      expect(service.simulator.ledger.entries).toEqual([]);
    },
  );

  it.each<[string, number]>([
    ['u=1', 201],
    ['u=7', 201],
    ['i', 201],
    ['u=3, i', 201],
    ['u=0, u=3', 201],
    ['u=0,i', 403],
    ['i=?0, u=0', 403],
    ['u=5,u=0', 403],
  ])('is understood: %s is a %i without the scope', async (priority, status) => {
    expect((await text('crm', '14155551000', { priority })).status).toBe(status);
  });

  it('is ignored on a read, which does not document it', async () => {
    expect((await service.ask('GET', '/v1/contacts', { key: crm.key, headers: urgent })).status).toBe(200);
    expect((await service.ask('GET', '/v1/contacts', { key: crm.key, headers: { priority: 'x' } })).status).toBe(200);
    const takes = operationsOf().filter(({ parameters }) => parameters.some(({ name }) => name === 'priority'));
    expect(takes.map(({ id }) => id).toSorted()).toEqual(
      [
        ...['resendAnyMessage', 'resendMessage', 'sendButtons', 'sendFile', 'sendFileLink', 'sendList', 'sendTemplate'],
        ...['sendTemplateCsv', 'sendText'],
      ].toSorted(),
    );
  });

  it('among other sends, callers take turns by their weight', async () => {
    const paced = await startSlow();
    await Promise.all([flood('crm', '14155551000', 25), flood('heavy', '14155551001', 25)]);
    await waiting(paced, 'interactive', 49);
    const before = order().length;
    await paced.during(expect.poll(() => order().length).toBeGreaterThanOrEqual(before + 10) as Promise<void>);
    const next = order().slice(before, before + 10);
    expect(next.filter((to) => to === '14155551001').length).toBeGreaterThanOrEqual(7);
    expect(next).toContain('14155551000');
  });
});
