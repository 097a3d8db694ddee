import { request as httpRequest } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Ask, allKey, type Service, startService } from '../helper.ts';
import { seededConnection } from './outcomes.ts';
import { formHeaders, formOf } from './sending.ts';

const path = '/v1/contacts?pageSize=3';
const reader = { name: 'reader', key: 'key-of-a-caller-that-reads', scopes: ['contacts:read'] };
const blind = { name: 'blind', key: 'key-of-a-caller-without-reading', scopes: ['messages:send'] };
const foreign = { name: 'foreign', key: 'key-of-a-caller-of-another', scopes: ['*'], connections: ['another'] };

describe('equal reads at the same time', () => {
  let service: Service;
  beforeEach(async () => {
    service = await startService({
      settings: {
        DOCS: 'off',
        MATON_CONNECTION_ID: seededConnection,
        UPSTREAM_TIMEOUT_MS: '3000',
        NATIVE_PATHS: 'POST /api/v1/addContact/14155551077,GET /api/v1/chatbots',
      },
      callers: [reader, blind, foreign],
    });
  });
  afterEach(() => service.close());

  const made = () => service.simulator.ledger.of('getContacts').length;
  /** The simulator reads at once, and answers later. */
  const slowly = (delayMs = 400) => service.simulator.script('getContacts', { delayMs });
  const underWay = (count = 1) => expect.poll(made, { interval: 5 }).toBe(count);

  it('are one call upstream, and each log line says whose it was and what came', async () => {
    slowly();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) => service.ask('GET', path, { key: n % 2 === 0 ? allKey : reader.key })),
    );
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect([answers[0]?.status, made()]).toEqual([200, 1]);
    const lines = () => service.logs().filter(({ msg }) => msg === 'request');
    await expect.poll(() => lines().length).toBe(10);
    expect(lines().map(({ upstreamStatus }) => upstreamStatus)).toEqual(Array(10).fill(200));
    expect(lines().filter(({ upstreamShared }) => upstreamShared === true)).toHaveLength(9);
  });

  it('are one call for whoever wants events and whoever does not, and each gets his own', async () => {
    const history = '/v1/conversations/14155551000/messages';
    const alone = {
      with: await service.ask('GET', `${history}?events=true`),
      without: await service.ask('GET', history),
    };
    expect(alone.with.text).not.toBe(alone.without.text);
    const calls = () => service.simulator.ledger.of('getMessages').length;
    const before = calls();
    service.simulator.script('getMessages', { delayMs: 400 });
    const asks = [`${history}?events=true`, history, `${history}?events=true`, history];
    const texts = (await Promise.all(asks.map((each) => service.ask('GET', each)))).map(({ text }) => text);
    expect(texts).toEqual([alone.with.text, alone.without.text, alone.with.text, alone.without.text]);
    expect(calls() - before).toBe(1);
  });

  it('share a failure', async () => {
    service.simulator.script('getContacts', { body: '<html>', process: false, delayMs: 300 });
    const [first, second] = [service.ask('GET', path), underWay().then(() => service.ask('GET', path))];
    expect([(await first).status, (await second).status, made()]).toEqual([502, 502, 1]);
  });

  it('are apart for two connections', async () => {
    const other = service.simulator.tenant.addConnection();
    slowly();
    const first = service.ask('GET', path);
    await underWay();
    await service.ask('GET', path, { headers: { 'maton-connection': other.id } });
    await first;
    expect(service.simulator.ledger.of('getContacts').map(({ connection }) => connection)).toEqual([
      seededConnection,
      other.id,
    ]);
  });

  it('are not for callers without the scope or the connection', async () => {
    slowly();
    const first = service.ask('GET', path);
    await underWay();
    const ask = { headers: { 'maton-connection': seededConnection } };
    expect((await service.ask('GET', path, { ...ask, key: blind.key })).status).toBe(403);
    expect((await service.ask('GET', path, { ...ask, key: foreign.key })).status).toBe(403);
    expect((await first).status).toBe(200);
  });

  it('are apart from one with a deadline of its own, which ends at its own', async () => {
    slowly(2_000);
    slowly(2_000);
    const first = service.ask('GET', path);
    await underWay();
    const hasty = await service.ask('GET', path, { headers: { prefer: 'wait=1' } });
    expect([hasty.status, made()]).toEqual([504, 2]);
    expect((await first).status).toBe(200);
  });

  it('share though one asks for a longer wait than there is', async () => {
    slowly();
    const first = service.ask('GET', path);
    await underWay();
    await service.ask('GET', path, { headers: { prefer: 'wait=60' } });
    await first;
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
    slowly(700);
    const before = service.ask('GET', path, { key: reader.key });
    await underWay();
    const write = await service.ask(method, writePath, ask);
    expect([200, 201], write.text).toContain(write.status);
    expect(made()).toBe(1);
    const after = await service.ask('GET', path, { key: reader.key });
    expect([(await before).status, after.status, made()]).toEqual([200, 200, 2]);
  });

  it('show what was written: not one that began while the write was under way', async () => {
    service.simulator.script('updateContactAttributes', { delayMs: 500 });
    const attributes = { tier: 'gold' };
    const write = service.ask('PATCH', '/v1/contacts/14155551000', { json: { attributes } });
    await expect.poll(() => service.simulator.ledger.of('updateContactAttributes').length).toBe(1);
    slowly(1_500);
    const during = service.ask('GET', path);
    await underWay();
    await write;
    expect((await service.ask('GET', '/v1/contacts/14155551000')).json).toMatchObject({ attributes });
    await service.ask('GET', path);
    await during;
    expect(made()).toBe(3);
  });

  it('of connections are shared, too, and not from before one was created', async () => {
    const list = () => service.ask('GET', '/v1/connections');
    const lists = () => service.simulator.ledger.of('listConnections').length;
    for (let n = 0; n < 2; n++) service.simulator.script('listConnections', { delayMs: 400 });
    const before = [list(), list()];
    await expect.poll(lists, { interval: 5 }).toBe(1);
    const created = await service.ask('POST', '/v1/connections', { json: {} });
    const { id } = created.json as { id: string };
    expect((await list()).text).toContain(id);
    for (const answer of await Promise.all(before)) expect(answer.text).not.toContain(id);
    expect(lists()).toBe(2);
  });
});

describe('a read that waits for its turn', () => {
  let service: Service;
  afterEach(() => service.close());

  const start = async () => {
    service = await startService({
      settings: {
        DOCS: 'off',
        MATON_CONNECTION_ID: seededConnection,
        MATON_RATE_PER_SECOND: '2',
        WATI_PLAN: 'none',
        UPSTREAM_TIMEOUT_MS: '20000',
      },
      callers: [reader],
    });
    // A read of its own group of calls, behind which the others wait.
    for (let n = 0; n < 4; n++) void service.ask('GET', `/v1/contacts?page=${n + 1}`);
    await expect.poll(() => service.simulator.ledger.entries.length, { interval: 5 }).toBeGreaterThan(0);
  };
  const hangUp = async () => {
    const request = httpRequest(`${service.url}${path}`, { headers: { authorization: `Bearer ${allKey}` } });
    request.on('error', () => {});
    request.end();
    await new Promise((resume) => setTimeout(resume, 100));
    request.destroy();
  };
  const waiting = async () => {
    const { text } = await service.ask('GET', '/metrics');
    return Number(/wati_bff_budget_waiting_calls\{lane="interactive"\} (\d+)/.exec(text)?.[1]);
  };
  const made = () => service.simulator.ledger.of('getContacts').filter(({ query }) => query.pageSize === '3').length;

  it('gives its place up when its caller hangs up', async () => {
    await start();
    await hangUp();
    await expect.poll(waiting, { timeout: 5_000 }).toBe(0);
    await new Promise((resume) => setTimeout(resume, 700));
    expect(made()).toBe(0);
  });

  it('keeps it where another shares it, of the same caller or of another', async () => {
    await start();
    const [same, other] = [service.ask('GET', path), service.ask('GET', path, { key: reader.key })];
    await hangUp();
    expect([(await same).status, (await other).status, made()]).toEqual([200, 200, 1]);
  });
});
