import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Callers, callerEntry, fixedCallers } from '../../src/callers.ts';
import type { ProblemSlug } from '../../src/problem-types.ts';
import { type EventClient, followEvents } from '../support/event-client.ts';
import type { MemoryEvents } from '../support/memory-event-store.ts';
import { problem } from '../support/problem-type.ts';
import { allKey, type Service } from '../support/service.ts';
import { idsOf, keys, pageOf, startWithEvents } from './events-helper.ts';

const key = keys.billing;
const aProblem = (slug: ProblemSlug) => ({ type: problem(slug) });

let memory: MemoryEvents;
let service: Service;
beforeAll(async () => {
  ({ service, memory } = await startWithEvents());
});
afterAll(() => service.close());

const ask = (query: string, headers: Record<string, string> = {}) =>
  service.ask('GET', `/v1/events${query}`, { key, headers });
const latest = async () => pageOf(await ask('?cursor=latest')).nextCursor;
const reading = async (kind: 'sse' | 'wait', of: Service) => {
  const { text } = await of.ask('GET', '/metrics');
  return Number(new RegExp(`event_readers\\{kind="${kind}"\\} (\\d+)`).exec(text)?.[1]);
};
const readers = (kind: 'sse' | 'wait', count: number, of = service) =>
  expect.poll(() => reading(kind, of), { timeout: 10_000, interval: 5 }).toBe(count);

it('a stream tells of one connection where it is asked so', async () => {
  memory.record({ caller: 'billing', connectionId: 'c2' });
  const client = await followEvents(service.url, { key, path: '/v1/events/stream?connection=c2' });
  await readers('sse', 1);
  memory.record({ caller: 'billing', connectionId: 'c1' });
  const { id } = memory.record({ caller: 'billing', connectionId: 'c2' });
  await expect.poll(() => client.events().map(({ data }) => JSON.parse(data).id)).toEqual([id]);
  client.close();
  await readers('sse', 0);
});

describe('a request that waits for events', () => {
  const wait = { prefer: 'wait=30' };

  it('is answered when there is one, and at once where there is one already', async () => {
    const cursor = await latest();
    const held = ask(`?cursor=${cursor}`, wait);
    await readers('wait', 1);
    const { id } = memory.record({ caller: 'billing' });
    const page = pageOf(await held);
    expect(idsOf(page)).toEqual([id]);
    await readers('wait', 0);
    expect(idsOf(pageOf(await ask(`?cursor=${cursor}`, wait)))).toEqual([id]);
    expect((await ask(`?cursor=${cursor}`)).text).toBe((await ask(`?cursor=${cursor}`, wait)).text);
  });

  it('is not woken by what it did not ask for, and passes over it', async () => {
    const cursor = await latest();
    const held = ask(`?cursor=${cursor}&types=message.failed`, wait);
    await readers('wait', 1);
    memory.record({ caller: 'shop', type: 'message.failed' });
    memory.record({ caller: 'billing', type: 'message.sent' });
    memory.record({ caller: 'billing', type: 'message.sent', connectionId: 'c2' });
    const { id } = memory.record({ caller: 'billing', type: 'message.failed' });
    const page = pageOf(await held);
    expect(idsOf(page)).toEqual([id]);
    expect(page.nextCursor).toBe(await latest());
  });

  it('is answered with an empty page and a cursor when its time is over', async () => {
    const cursor = await latest();
    for (const prefer of ['wait=0', 'wait=x', 'respond-async']) {
      const page = pageOf(await ask(`?cursor=${cursor}`, { prefer }));
      expect(page).toEqual({ data: [], nextCursor: cursor, hasMore: false });
    }
    memory.record({ caller: 'shop' });
    const page = pageOf(await ask(`?cursor=${cursor}`, { prefer: 'respond-async, wait="1"' }));
    expect(page.data).toEqual([]);
    const { id } = memory.record({ caller: 'billing' });
    expect(idsOf(pageOf(await ask(`?cursor=${page.nextCursor}`)))).toEqual([id]);
  });

  it('is given up when its client is gone', async () => {
    const gone = new AbortController();
    const headers = { authorization: `Bearer ${key}`, ...wait };
    const held = request(`${service.url}/v1/events?cursor=latest`, { headers, signal: gone.signal });
    await readers('wait', 1);
    gone.abort();
    await expect(held).rejects.toThrow('aborted');
    await readers('wait', 0);
  });
});

describe('a stream of events', () => {
  const clients: EventClient[] = [];
  const follow = async (asked: Partial<Parameters<typeof followEvents>[1]> = {}) => {
    const client = await followEvents(service.url, { key, ...asked });
    clients.push(client);
    return client;
  };
  const closeAll = async () => {
    for (const client of clients.splice(0)) client.close();
    await readers('sse', 0);
  };

  it('tells what happens from now on, as it stands in the feed', async () => {
    memory.record({ caller: 'billing' });
    const cursor = await latest();
    const client = await follow();
    expect(client.status).toBe(200);
    expect(client.headers).toMatchObject({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    await readers('sse', 1);
    const recorded = [memory.record({ caller: 'billing', type: 'message.failed' })];
    memory.record({ caller: 'shop' });
    await client.have(1);
    recorded.push(memory.record({ caller: 'billing', type: 'message.received' }));
    const events = await client.have(2);
    const { data } = pageOf(await ask(`?cursor=${cursor}`));
    expect(data.map(({ id }) => id)).toEqual(recorded.map(({ id }) => id));
    expect(events).toEqual(
      data.map((event) => ({ id: event.cursor, event: event.type, data: expect.stringContaining(String(event.id)) })),
    );
    const page = (await ask(`?cursor=${cursor}`)).text;
    expect(page).toBe(
      `{"data":[${events.map((e) => e.data).join(',')}],"nextCursor":"${await latest()}","hasMore":false}`,
    );
    // Before any event: a client that is cut off here misses none.
    expect(client.text().startsWith(`retry: 5000\nid: ${cursor}\n\n`)).toBe(true);
    await closeAll();
  });

  it('goes on behind the last id, from the header before the query', async () => {
    const first = await latest();
    const ids = Array.from({ length: 60 }, () => memory.record({ caller: 'billing' }).id);
    const half = pageOf(await ask(`?cursor=${first}&limit=30`)).nextCursor;
    const told = (client: EventClient) => client.events().map(({ data }) => JSON.parse(data).id);
    const header = await follow({ lastEventId: half, path: `/v1/events/stream?lastEventId=${first}` });
    const query = await follow({ path: `/v1/events/stream?lastEventId=${first}` });
    const empty = await follow({ lastEventId: '', path: `/v1/events/stream?lastEventId=${half}&types=message.*` });
    const all = await follow({ path: '/v1/events/stream?lastEventId=earliest' });
    await Promise.all([header.have(30), query.have(60), empty.have(30), all.have(60)]);
    expect(told(header)).toEqual(ids.slice(30));
    expect(told(query)).toEqual(ids);
    expect(told(empty)).toEqual(ids.slice(30));
    expect(told(all).slice(-60)).toEqual(ids);
    await closeAll();
  });

  it('refuses an id that is none of its own, and a type that there is none of', async () => {
    for (const [asked, pointer] of [
      [{ path: '/v1/events/stream?lastEventId=x' }, '/query/lastEventId'],
      [{ lastEventId: 'x' }, '/headers/last-event-id'],
      [{ path: '/v1/events/stream?types=x' }, '/query/types/0'],
      [{ path: '/v1/events/stream?limit=1' }, '/query/limit'],
    ] as const) {
      const client = await follow(asked);
      await client.ended();
      expect(JSON.parse(client.text())).toMatchObject({ ...aProblem('validation-failed'), errors: [{ pointer }] });
    }
  });

  it('is opened five times by one caller, and again when one of them is closed', async () => {
    const open = await Promise.all(Array.from({ length: 5 }, () => follow()));
    expect(open.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    const sixth = await follow();
    expect([sixth.status, sixth.headers['retry-after']]).toEqual([429, '2']);
    expect((await follow({ key: keys.shop })).status).toBe(200);
    open[0]?.close();
    await readers('sse', 5);
    expect((await follow()).status).toBe(200);
    await closeAll();
  });

  it('answers HEAD, and takes no place for it', async () => {
    const { status, headers, text } = await service.ask('HEAD', '/v1/events/stream', { key });
    expect([status, headers['content-type'], text]).toEqual([200, 'text/event-stream', '']);
    await readers('sse', 0);
  });
});

describe('what was taken away', () => {
  it('ends streams and waits within seconds: a key, the scope, a connection, the events', async () => {
    const names = ['key', 'scope', 'connection', 'events', 'address', 'nothing'];
    const full = { scopes: ['events:read'], events: ['*'], connections: ['c1', 'c2'] };
    const entry = (name: string, more: object = {}, own = `the-key-of-${name}-is-long-enough`) =>
      callerEntry(name, own, { ...full, ...more });
    const tester = callerEntry('tester', allKey, { scopes: ['*'] });
    const before = fixedCallers([...names.map((name) => entry(name)), tester]);
    const after = fixedCallers([
      tester,
      entry('key', {}, 'another-key-of-the-same-caller'),
      entry('scope', { scopes: ['messages:read'] }),
      entry('connection', { connections: ['c1'] }),
      entry('events', { events: [] }),
      entry('address', { addresses: ['10.0.0.0/8'] }),
      entry('nothing', { ratePerSecond: 100, connections: ['c2', 'c1', 'c3'] }),
    ]);
    let now = before;
    const callers: Callers = {
      find: (given) => now.find(given),
      byId: (id) => now.byId(id),
      list: () => now.list(),
      close: () => {},
    };
    const own = await startWithEvents({ seams: { callers } });
    const keyOf = (name: string) => `the-key-of-${name}-is-long-enough`;
    const streams = await Promise.all(names.map((name) => followEvents(own.service.url, { key: keyOf(name) })));
    const headers = { prefer: 'wait=30' };
    const held = names
      .slice(0, 5)
      .map((name) => own.service.ask('GET', '/v1/events?cursor=latest', { key: keyOf(name), headers }));
    await readers('sse', 6, own.service);
    await readers('wait', 5, own.service);
    now = after;
    const ended = await Promise.all(streams.slice(0, 5).map((stream) => stream.ended()));
    expect(ended).toEqual([true, true, true, true, true]);
    for (const answer of await Promise.all(held)) expect(answer.json).toMatchObject(aProblem('forbidden'));
    own.memory.record({ caller: 'nothing', connectionId: 'c2' });
    await streams[5]?.have(1);
    await own.service.close();
  });
});

describe('a service that goes down', () => {
  it('ends its streams between two events, and answers who waits, so that all come back elsewhere', async () => {
    const own = await startWithEvents();
    const { url } = own.service;
    const cursor = pageOf(await own.service.ask('GET', '/v1/events', { key })).nextCursor;
    const client = await followEvents(url, { key });
    const held = own.service.ask('GET', '/v1/events', { key, headers: { prefer: 'wait=30' } });
    await readers('sse', 1, own.service);
    await readers('wait', 1, own.service);
    own.memory.record({ caller: 'shop' });
    await own.service.close();
    expect(await client.ended()).toBe(true);
    expect(client.text()).toMatch(/\n\n$/);
    expect(pageOf(await held)).toMatchObject({ data: [], hasMore: false });
    const other = await startWithEvents({ processOf: own.memory });
    const event = own.memory.record({ caller: 'billing' });
    const again = await followEvents(other.service.url, { key, lastEventId: client.lastId() });
    expect((await again.have(1)).map(({ data }) => JSON.parse(data).id)).toEqual([event.id]);
    expect(cursor).toBe(client.lastId());
    again.close();
    await other.service.close();
  });
});
