import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { slugOf } from '../support/json.ts';
import { type Answer, type Service, startService } from '../support/service.ts';
import { askFor, fields, idOf, seededConnection, text } from './outcomes.ts';
import { csvSubject, fileSubject, sendingTo, textTo } from './sending.ts';

const to = '14155551000';
const hello = textTo(to, 'Hello');
const slug = ({ json }: Answer) => slugOf(json);
const rowsOf = (answer: Answer) => {
  const { data } = fields(answer.json);
  return Array.isArray(data) ? data.map(fields) : [];
};

describe('the list of messages', () => {
  let service: Service;
  const ids: string[] = [];
  let between = '';
  beforeAll(async () => {
    service = await startService({ callers: [{ name: 'other', key: 'key-of-another-caller', scopes: ['*'] }] });
    for (let at = 0; at < 5; at++) ids.unshift(idOf(await askFor(service, textTo(to, `No. ${at}`))));
    await sleep(5);
    between = new Date().toISOString();
    await sleep(5);
    ids.unshift(idOf(await askFor(service, textTo('14155551010', 'The window is closed'))));
    service.simulator.script('sendSessionMessage', { status: 500 });
    ids.unshift(idOf(await askFor(service, textTo('14155551001', 'Hello'))));
    ids.unshift(idOf(await askFor(service, csvSubject(to))));
  });
  afterAll(() => service.close());

  it('contains every message once, newest first', async () => {
    const list = await service.ask('GET', '/v1/messages');
    expect(rowsOf(list).map(({ id }) => id)).toEqual(ids);
    expect(list.json).not.toHaveProperty('nextCursor');
  });

  it.each([1, 2, 3, 7, 8, 100])('continues where the last page ended, %d a page', async (limit) => {
    const seen: unknown[] = [];
    const sizes: number[] = [];
    for (let path: string | undefined = `/v1/messages?limit=${limit}`; path !== undefined; ) {
      const page: Answer = await service.ask('GET', path);
      const next = text(fields(page.json).nextCursor);
      seen.push(...rowsOf(page).map(({ id }) => id));
      sizes.push(rowsOf(page).length);
      path = next && `/v1/messages?limit=${limit}&cursor=${encodeURIComponent(next)}`;
    }
    expect(seen).toEqual(ids);
    expect(sizes.slice(0, -1).every((size) => size === limit)).toBe(true);
  });

  const filters: [query: () => string, chosen: () => string[]][] = [
    [() => `to=${to}`, () => ids.slice(3)],
    [() => `to=%2B${to}`, () => ids.slice(3)],
    [() => 'to=14155559999', () => []],
    [() => 'status=accepted', () => [...ids.slice(0, 1), ...ids.slice(3)]],
    [() => 'status=rejected', () => ids.slice(2, 3)],
    [() => 'status=unknown', () => ids.slice(1, 2)],
    [() => 'status=queued', () => []],
    [() => `since=${between}`, () => ids.slice(0, 3)],
    [() => 'since=2020-01-01T00:00:00Z', () => ids],
    [() => `since=${between}&status=unknown&to=14155551001`, () => ids.slice(1, 2)],
    [() => `until=${between}`, () => ids.slice(3)],
    [() => 'until=2020-01-01T00:00:00Z', () => []],
    [() => `since=2020-01-01T00:00:00Z&until=${between}&to=${to}`, () => ids.slice(3)],
    [() => 'template=none', () => []],
    [() => 'reference=none&idempotencyKey=none', () => []],
    [() => 'broadcastId=none', () => []],
  ];
  it.each(filters)('filters as requested, row %#', async (query, chosen) => {
    const list = await service.ask('GET', `/v1/messages?${query()}`);
    expect([list.status, rowsOf(list).map(({ id }) => id)]).toEqual([200, chosen()]);
  });

  it.each([
    'limit=0',
    'limit=101',
    'cursor=nonsense',
    // As versions before this one made them, and as one would be made up.
    `cursor=${Buffer.from('s5').toString('base64url')}`,
    `cursor=${'A'.repeat(48)}`,
    'status=lost',
    'since=yesterday',
    'since=2020-02-31T00:00:00',
    'since=2099-01-01T00:00:00Z',
    `since=${new Date(Date.now() + 10 * 60_000).toISOString()}`,
    'until=yesterday',
    'until=2020-02-31T00:00:00',
    'since=2020-01-02T00:00:00Z&until=2020-01-02T00:00:00Z',
    'since=2020-01-02T00:00:00Z&until=2020-01-01T00:00:00Z',
    'reference=',
    `reference=${'x'.repeat(256)}`,
    'reference=a%0Ab',
    'idempotencyKey=a%20b',
    'template=',
    'id=s77',
    'x=1',
  ])('refuses %s', async (query) => {
    const answer = await service.ask('GET', `/v1/messages?${query}`);
    expect([answer.status, slug(answer)]).toEqual([400, 'validation-failed']);
  });

  it("shows nobody another caller's", async () => {
    const key = 'key-of-another-caller';
    expect(rowsOf(await service.ask('GET', '/v1/messages', { key }))).toEqual([]);
    const cursor = String(fields((await service.ask('GET', '/v1/messages?limit=1')).json).nextCursor);
    for (const path of ['/v1/messages', '/v1/broadcasts', '/v1/operations/messages', '/v1/operations/broadcasts']) {
      const elsewhere = await service.ask('GET', `${path}?cursor=${cursor}`, path === '/v1/messages' ? { key } : {});
      expect([path, elsewhere.status]).toEqual([path, 400]);
    }
    for (const [method, path, ask] of [
      ['GET', `/v1/messages/${ids[1]}`, {}],
      ['POST', `/v1/messages/${ids[1]}/reconcile`, {}],
      ['POST', `/v1/messages/${ids[1]}/resend`, { json: { reason: 'curious' } }],
    ] as const) {
      const answer = await service.ask(method, path, { ...ask, key });
      const nobodys = await service.ask(method, path.replace(ids[1] ?? '', 'no-such-id'), { ...ask, key });
      expect([answer.status, slug(answer), fields(answer.json).detail]).toEqual([
        404,
        'not-found',
        fields(nobodys.json).detail,
      ]);
    }
  });

  it('shows a single message', async () => {
    const [, unknown, rejected] = ids;
    expect((await service.ask('GET', `/v1/messages/${unknown}`)).json).toEqual({
      id: unknown,
      kind: 'text',
      to: '14155551001',
      connectionId: seededConnection,
      status: 'unknown',
      localMessageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      failure: { code: 'unknown', detail: expect.stringContaining('500') },
      attempts: 1,
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
    });
    expect((await service.ask('GET', `/v1/messages/${rejected}`)).json).toMatchObject({
      status: 'rejected',
      failure: { code: 'window-closed' },
    });
  });
});

describe('a message without a waiting client', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: { SEND_WAIT_MS: '400' } });
  });
  afterAll(() => service.close());
  beforeEach(() => service.simulator.reset());
  const becomes = async (answer: Answer, status: string) => {
    const read = async () => (await service.ask('GET', text(answer.headers.location) ?? 'no location')).json;
    await expect.poll(read).toMatchObject({ status });
  };
  const everySubject = [...sendingTo(() => to), fileSubject(to), csvSubject(to)];

  it.each(everySubject)('is answered at once with Prefer: respond-async, and completed: $name', async (subject) => {
    const answered = Promise.withResolvers<void>();
    service.simulator.script(subject.operation, { until: answered.promise });
    const answer = await askFor(service, subject, { prefer: 'respond-async' });
    answered.resolve();
    expect(answer.status).toBe(202);
    expect(['queued', 'sending']).toContain(fields(answer.json).status);
    await becomes(answer, 'accepted');
    expect(service.simulator.ledger.of(subject.operation)).toHaveLength(1);
  });

  it.each(everySubject)('is answered when the wait is over, and completed: $name', async (subject) => {
    const answered = Promise.withResolvers<void>();
    service.simulator.script(subject.operation, { until: answered.promise });
    const answer = await askFor(service, subject, { 'idempotency-key': randomUUID() });
    answered.resolve();
    expect(answer).toMatchObject({ status: 202, json: { status: 'sending' } });
    await becomes(answer, 'accepted');
    expect(service.simulator.ledger.of(subject.operation)).toHaveLength(1);
  });

  it('is attempted again like one with a waiting client', async () => {
    await service.close();
    service = await startService();
    service.simulator.script('sendSessionMessage', { status: 429, headers: { 'retry-after': '0' } });
    await becomes(await askFor(service, hello, { prefer: 'respond-async' }), 'accepted');
    expect(service.simulator.ledger.of('sendSessionMessage').map(({ processed }) => processed)).toEqual([false, true]);
  });
});
