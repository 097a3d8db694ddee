import { request as httpRequest } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Scripted } from '../../src/simulator/faults.ts';
import type { Operation } from '../../src/simulator/operations.ts';
import { startPaced } from '../support/paced.ts';
import { type Answer, type Ask, allKey, type Service, startService } from '../support/service.ts';
import { seededConnection } from './outcomes.ts';
import { formHeaders, formOf } from './sending.ts';

const path = '/v1/contacts?pageSize=3';
const reader = { name: 'reader', key: 'key-of-a-caller-that-reads', scopes: ['contacts:read'] };
const blind = { name: 'blind', key: 'key-of-a-caller-without-reading', scopes: ['messages:send'] };
const foreign = { name: 'foreign', key: 'key-of-a-caller-of-another', scopes: ['*'], connections: ['another'] };

describe('equal reads at the same time', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      settings: {
        DOCS: 'off',
        MATON_CONNECTION_ID: seededConnection,
        NATIVE_PATHS: 'POST /api/v1/addContact/14155551077,GET /api/v1/chatbots',
      },
      callers: [reader, blind, foreign],
    });
  });
  beforeEach(() => service.renew());
  afterAll(() => service.close());

  const made = () => service.simulator.ledger.of('getContacts').length;
  /** The simulator reads at once, and answers when the test says so. */
  const held = (operation: Operation = 'getContacts', scripted: Scripted = {}) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    service.simulator.script(operation, { ...scripted, until: promise });
    return resolve;
  };
  /** `there`: the service has all of them, and began what they ask for. */
  const together = (asks: readonly (() => Promise<Answer>)[]) => {
    let arrived = 0;
    const count = () => {
      arrived += 1;
    };
    service.app.server.on('request', count);
    const answers = asks.map((ask) => ask());
    const there = async () => {
      await expect.poll(() => arrived).toBe(asks.length);
      service.app.server.off('request', count);
      // What comes later is answered later.
      await service.ask('GET', '/health/live', { key: null });
    };
    return { answers, there: there() };
  };
  const underWay = (count = 1) => expect.poll(made, { interval: 5 }).toBe(count);

  it('are one call upstream, and each log line has its own caller and the result', async () => {
    const answer = held();
    const asked = together(
      Array.from({ length: 10 }, (_, n) => () => service.ask('GET', path, { key: n % 2 === 0 ? allKey : reader.key })),
    );
    await asked.there;
    answer();
    const answers = await Promise.all(asked.answers);
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect([answers[0]?.status, made()]).toEqual([200, 1]);
    const lines = () => service.logs().filter(({ msg, route }) => msg === 'request' && route === '/v1/contacts');
    await expect.poll(() => lines().length).toBe(10);
    expect(lines().map(({ upstreamStatus }) => upstreamStatus)).toEqual(Array(10).fill(200));
    expect(lines().filter(({ upstreamShared }) => upstreamShared === true)).toHaveLength(9);
  });

  it('are one call with and without events, and each gets its own answer', async () => {
    const history = '/v1/conversations/14155551000/messages';
    const alone = {
      with: await service.ask('GET', `${history}?events=true`),
      without: await service.ask('GET', history),
    };
    expect(alone.with.text).not.toBe(alone.without.text);
    const calls = () => service.simulator.ledger.of('getMessages').length;
    const before = calls();
    const answer = held('getMessages');
    const asks = [`${history}?events=true`, history, `${history}?events=true`, history];
    const asked = together(asks.map((each) => () => service.ask('GET', each)));
    await asked.there;
    answer();
    const texts = (await Promise.all(asked.answers)).map(({ text }) => text);
    expect(texts).toEqual([alone.with.text, alone.without.text, alone.with.text, alone.without.text]);
    expect(calls() - before).toBe(1);
  });

  it('share a failure', async () => {
    const answer = held('getContacts', { body: '<html>', process: false });
    const asked = together([() => service.ask('GET', path), () => service.ask('GET', path)]);
    await asked.there;
    answer();
    const statuses = (await Promise.all(asked.answers)).map(({ status }) => status);
    expect([statuses, made()]).toEqual([[502, 502], 1]);
  });

  it('are separate for two connections', async () => {
    const other = service.simulator.tenant.addConnection();
    const answer = held();
    const first = service.ask('GET', path);
    await underWay();
    await service.ask('GET', path, { headers: { 'maton-connection': other.id } });
    answer();
    await first;
    expect(service.simulator.ledger.of('getContacts').map(({ connection }) => connection)).toEqual([
      seededConnection,
      other.id,
    ]);
  });

  it('are not shared with callers that lack the scope or the connection', async () => {
    const answer = held();
    const first = service.ask('GET', path);
    await underWay();
    const ask = { headers: { 'maton-connection': seededConnection } };
    expect((await service.ask('GET', path, { ...ask, key: blind.key })).status).toBe(403);
    expect((await service.ask('GET', path, { ...ask, key: foreign.key })).status).toBe(403);
    answer();
    expect((await first).status).toBe(200);
  });

  it('are separate from one with a deadline of its own, which ends at it', async () => {
    const answers = [held(), held()];
    const first = service.ask('GET', path);
    await underWay();
    const hasty = await service.ask('GET', path, { headers: { prefer: 'wait=1' } });
    expect([hasty.status, made()]).toEqual([504, 2]);
    for (const answer of answers) answer();
    expect((await first).status).toBe(200);
  });

  it('are shared even if one asks for a longer wait than there is', async () => {
    const answer = held();
    const asked = together([
      () => service.ask('GET', path),
      () => service.ask('GET', path, { headers: { prefer: 'wait=60' } }),
    ]);
    await asked.there;
    answer();
    await Promise.all(asked.answers);
    expect(made()).toBe(1);
  });

  it.each<[string, string, string, Ask]>([
    ['PUT of a contact', 'PUT', '/v1/contacts/14155551000', { json: { attributes: { tier: 'gold' } } }],
    ['PATCH of a contact', 'PATCH', '/v1/contacts/14155551000', { json: { attributes: { tier: 'gold' } } }],
    ['assignment', 'PUT', '/v1/conversations/14155551000/operator', { json: { bot: true } }],
    ['change of status', 'PUT', '/v1/conversations/14155551000/status', { json: { status: 'solved' } }],
    ['text', 'POST', '/v1/messages/text', { json: { to: '14155551000', text: 'hello' } }],
    ['template', 'POST', '/v1/messages/template', { json: { to: '14155551000', template: 'welcome' } }],
    ['file', 'POST', '/v1/messages/file?to=14155551000', { body: formOf('a file'), headers: formHeaders }],
    ['native call', 'POST', '/v1/native/api/v1/addContact/14155551077', { json: { name: null, customParams: [] } }],
  ])('are not one from before a %s, whoever wrote', async (_what, method, writePath, ask) => {
    const answer = held();
    const before = service.ask('GET', path, { key: reader.key });
    await underWay();
    const write = await service.ask(method, writePath, ask);
    expect([200, 201], write.text).toContain(write.status);
    expect(made()).toBe(1);
    const after = await service.ask('GET', path, { key: reader.key });
    answer();
    expect([(await before).status, after.status, made()]).toEqual([200, 200, 2]);
  });

  it('show a write that began before them: no read that began during it is shared', async () => {
    const written = held('updateContactAttributes');
    const attributes = { tier: 'gold' };
    const write = service.ask('PATCH', '/v1/contacts/14155551000', { json: { attributes } });
    await expect.poll(() => service.simulator.ledger.of('updateContactAttributes').length).toBe(1);
    const answer = held();
    const during = service.ask('GET', path);
    await underWay();
    written();
    await write;
    expect((await service.ask('GET', '/v1/contacts/14155551000')).json).toMatchObject({ attributes });
    await service.ask('GET', path);
    answer();
    await during;
    expect(made()).toBe(3);
  });

  it('of connections are shared as well, and not from before one was created', async () => {
    const list = () => service.ask('GET', '/v1/connections');
    const lists = () => service.simulator.ledger.of('listConnections').length;
    const answer = held('listConnections');
    const before = together([list, list]);
    await before.there;
    expect(lists()).toBe(1);
    const created = await service.ask('POST', '/v1/connections', { json: {} });
    const { id } = created.json as { id: string };
    expect((await list()).text).toContain(id);
    answer();
    for (const { text } of await Promise.all(before.answers)) expect(text).not.toContain(id);
    expect(lists()).toBe(2);
  });
});

describe('a read that waits for a permit', () => {
  let paced: Awaited<ReturnType<typeof startPaced>>;
  let service: Service;
  afterEach(() => service.close());
  beforeEach(async () => {
    paced = await startPaced(2, {
      settings: { DOCS: 'off', MATON_CONNECTION_ID: seededConnection },
      callers: [reader],
    });
    ({ service } = paced);
    // The turn that is free: the others wait.
    await service.ask('GET', '/v1/contacts?page=1');
  });

  const waiting = (count: number) =>
    expect.poll(() => paced.rateLimiter.stats().lanes.interactive.queued, { interval: 5 }).toBe(count);
  const hangUp = async (wait: number) => {
    const arrived = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    service.app.server.once('request', (_, response) => {
      response.once('close', gone.resolve);
      arrived.resolve();
    });
    const request = httpRequest(`${service.url}${path}`, { headers: { authorization: `Bearer ${allKey}` } });
    request.on('error', () => {});
    request.end();
    await arrived.promise;
    // What comes later is answered later.
    await service.ask('GET', '/health/live', { key: null });
    await waiting(wait);
    request.destroy();
    await gone.promise;
  };
  const made = () => service.simulator.ledger.of('getContacts').filter(({ query }) => query.pageSize === '3').length;

  it('leaves the queue when its caller disconnects', async () => {
    await hangUp(1);
    await waiting(0);
    await paced.run(2_000);
    expect(made()).toBe(0);
  });

  it('stays in it if another reader shares it, of the same caller or of another', async () => {
    const both = [service.ask('GET', path), service.ask('GET', path, { key: reader.key })];
    // One place for each caller: it shares that of the same one.
    await waiting(2);
    await hangUp(2);
    const answers = await paced.during(Promise.all(both));
    expect([answers.map(({ status }) => status), made()]).toEqual([[200, 200], 1]);
  });
});
