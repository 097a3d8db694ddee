import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SharedPool } from '../../src/pools/shared-pool.ts';
import type { ProblemSlug } from '../../src/problem-types.ts';
import { openStore } from '../../src/store/open.ts';
import { failingStore, fakeStore } from '../support/fake-store.ts';
import { MemoryEvents } from '../support/memory-event-store.ts';
import { problem } from '../support/problem-type.ts';
import type { Service } from '../support/service.ts';
import { idsOf, keys, pageOf, retention, startWithEvents } from './events-helper.ts';

const key = keys.billing;
const aProblem = (slug: ProblemSlug) => ({ type: problem(slug) });

describe('the feed of events', () => {
  let memory: MemoryEvents;
  let service: Service;
  beforeAll(async () => {
    ({ service, memory } = await startWithEvents());
  });
  afterAll(() => service.close());

  const ask = (query: string, asked: { key?: string; headers?: Record<string, string> } = {}) =>
    service.ask('GET', `/v1/events${query}`, { key, ...asked });
  const latest = async (asked: { key?: string } = {}) => pageOf(await ask('?cursor=latest', asked)).nextCursor;
  /** So many events of a caller, behind the cursor that is answered. */
  const recorded = async (count: number, event: { caller?: string; type?: string; connectionId?: string } = {}) => {
    const cursor = await latest();
    const events = Array.from({ length: count }, () => memory.record({ caller: 'billing', ...event }));
    return { cursor, events, ids: events.map(({ id }) => id) };
  };

  it('tells each event once and in order, page by page, and goes on from an empty page as well', async () => {
    const { cursor, ids } = await recorded(5);
    memory.record({ caller: 'shop' });
    const first = pageOf(await ask(`?limit=2&cursor=${cursor}`));
    const second = pageOf(await ask(`?limit=2&cursor=${first.nextCursor}`));
    const third = pageOf(await ask(`?limit=2&cursor=${second.nextCursor}`));
    expect([first, second, third].map(({ hasMore }) => hasMore)).toEqual([true, true, false]);
    expect([first, second, third].flatMap(idsOf)).toEqual(ids);
    const empty = pageOf(await ask(`?cursor=${third.nextCursor}`));
    expect(empty).toMatchObject({ data: [], hasMore: false });
    const { ids: more } = await recorded(1);
    expect(idsOf(pageOf(await ask(`?cursor=${empty.nextCursor}`)))).toEqual(more);
    // The cursor of an event is the place behind it.
    expect(idsOf(pageOf(await ask(`?cursor=${String(second.data[0]?.cursor)}`)))).toEqual([...ids.slice(3), ...more]);
  });

  it('begins with the oldest that is kept, or behind the newest', async () => {
    const { ids } = await recorded(1);
    expect(idsOf(pageOf(await ask('?limit=1000'))).at(-1)).toBe(ids[0]);
    expect(await ask('?cursor=earliest&limit=1000')).toMatchObject({ text: (await ask('?limit=1000')).text });
    expect(pageOf(await ask('?cursor=latest')).data).toEqual([]);
  });

  it('has the same bytes for an event in each page and by its id, whichever process is asked', async () => {
    const data = '{"received":{"text":"ñ 你好 \\u0000 \\\\ \\n","at":"x"}}';
    const cursor = await latest();
    const event = memory.record({ caller: 'billing', type: 'message.received', at: 1_793_007_000_123, data });
    const { text } = await ask(`/${event.id}`);
    expect(text).toBe(
      `{"id":"${event.id}","type":"message.received","timestamp":"2026-10-26T09:30:00.123Z","cursor":"${await latest()}","connectionId":"${event.connectionId}","data":${data}}`,
    );
    const page = await ask(`?cursor=${cursor}`);
    expect(page.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(page.text).toBe(`{"data":[${text}],"nextCursor":"${await latest()}","hasMore":false}`);
    memory.record({ caller: 'shop' });
    expect((await ask(`?cursor=${cursor}`)).text).toContain(text);
  });

  it('is filtered by types, named in full or by their beginning, and the cursor passes over the others', async () => {
    const cursor = await latest();
    const of = (type: string) => memory.record({ caller: 'billing', type }).id;
    const [sent, failed, finished] = [of('message.sent'), of('message.failed'), of('broadcast.finished')];
    const idsFor = async (query: string) => idsOf(pageOf(await ask(`?cursor=${cursor}&${query}`)));
    expect(await idsFor('types=message.failed')).toEqual([failed]);
    expect(await idsFor('types=message.*')).toEqual([sent, failed]);
    expect(await idsFor('types=message.sent&types=broadcast.*')).toEqual([sent, finished]);
    expect(await idsFor('types=*')).toEqual([sent, failed, finished]);
    const { nextCursor } = pageOf(await ask(`?cursor=${cursor}&types=message.sent`));
    expect(pageOf(await ask(`?cursor=${nextCursor}`)).data).toEqual([]);
    for (const [types, words] of [
      ['message.fialed', /names no type of event; did you mean message\.failed\?/],
      ['webhook.test', /names no type/],
      ['messages.*', /names no type/],
      ['orders', /; there is message\.\*, broadcast\.\*, .* and \*$/],
      ['message', /message\.\*/],
      ['message.sent,message.read', /^names no type of event; repeat `types` for several/],
    ] as const) {
      const answer = await ask(`?types=message.sent&types=${types}`);
      expect(answer.json).toMatchObject({
        type: problem('validation-failed'),
        errors: [{ pointer: '/query/types/1', detail: expect.stringMatching(words) }],
      });
    }
  });

  it('has only the connections that its reader may use, and those that are about endpoints', async () => {
    const cursor = await latest({ key: keys.narrow });
    const of = (connectionId: string) => memory.record({ caller: 'narrow', connectionId });
    const [first, other, second, none] = [of('c1'), of('c2'), of('c1'), of('')];
    const narrow = { key: keys.narrow };
    const page = pageOf(await ask(`?cursor=${cursor}&limit=2`, narrow));
    expect(page).toMatchObject({ data: [{ id: first.id }, { id: second.id }], hasMore: true });
    const rest = pageOf(await ask(`?cursor=${page.nextCursor}`, narrow));
    expect(idsOf(rest)).toEqual([none.id]);
    expect(rest.data[0]).not.toHaveProperty('connectionId');
    expect(idsOf(pageOf(await ask(`?cursor=${cursor}&connection=c1`, narrow)))).toEqual([first.id, second.id]);
    expect((await ask(`/${second.id}`, narrow)).status).toBe(200);
    expect((await ask(`/${other.id}`, narrow)).json).toMatchObject(aProblem('not-found'));
    for (const path of ['', '/stream'])
      for (const [connection, asked] of [
        ['c2', narrow],
        ['invented', {}],
      ] as const)
        expect((await ask(`${path}?connection=${connection}`, asked)).json).toMatchObject({
          type: problem('validation-failed'),
          errors: [{ pointer: '/query/connection', detail: 'is none of your connections' }],
        });
  });

  it('tells of its own endpoints whoever lists any types, and names types that are not recorded', async () => {
    const shop = { key: keys.shop };
    expect((await ask('?types=webhook_endpoint.failing&types=*', shop)).status).toBe(200);
    const detail = 'is not recorded for you; ask your operator to list it in `events`';
    for (const path of ['', '/stream'])
      expect(await ask(`${path}?types=message.sent&types=account.changed&types=broadcast.*`, shop)).toMatchObject({
        status: 400,
        json: {
          errors: [
            { pointer: '/query/types/1', detail },
            { pointer: '/query/types/2', detail },
          ],
        },
      });
  });

  it('has nothing of another caller: not by its id, nor by its cursor', async () => {
    const { events } = await recorded(1, { caller: 'shop' });
    const theirs = events[0]?.id;
    expect((await ask(`/${theirs}`)).json).toMatchObject(aProblem('not-found'));
    expect((await ask('/evt_0000000000000000000000')).json).toMatchObject(aProblem('not-found'));
    expect(idsOf(pageOf(await ask('?limit=1000')))).not.toContain(theirs);
    const cursor = await latest({ key: keys.shop });
    expect((await ask(`?cursor=${cursor}`, { key: keys.shop })).status).toBe(200);
    expect((await ask(`?cursor=${cursor}`)).json).toMatchObject({
      type: problem('validation-failed'),
      errors: [
        {
          pointer: '/query/cursor',
          detail: expect.stringMatching(
            /^is no cursor that you got from your events; give `nextCursor` of a page, .*`latest`$/,
          ),
        },
      ],
    });
  });

  it('takes no cursor that it has not made', async () => {
    const own = await latest();
    const changed = `${own.slice(0, 20)}${own[20] === 'A' ? 'B' : 'A'}${own.slice(21)}`;
    const garbage = ['x', '0', 'EARLIEST', `${own}A`, own.slice(1), changed, 'A'.repeat(64), `${own}%3D`];
    for (const cursor of garbage)
      expect((await ask(`?cursor=${cursor}`)).json, cursor).toMatchObject(aProblem('validation-failed'));
  });

  it('says that nothing is recorded, and whom to ask, where no events are named for a caller', async () => {
    const { events } = await recorded(1, { caller: 'silent' });
    for (const path of ['', '/stream']) {
      const { json } = await ask(path, { key: keys.silent });
      expect(json).toMatchObject({
        type: problem('events-not-recorded'),
        detail: expect.stringMatching(/your operator has to list .* `events` of the entry `silent`/),
      });
    }
    expect((await ask(`/${events[0]?.id}`, { key: keys.silent })).json).toMatchObject(aProblem('not-found'));
    for (const path of ['', '/stream', '/evt_0'])
      expect((await ask(path, { key: keys.unscoped })).json).toMatchObject(aProblem('forbidden'));
  });

  it('takes limits from 1 to 1000', async () => {
    for (const limit of ['0', '1001', '-1', 'x', '1.5']) expect((await ask(`?limit=${limit}`)).status, limit).toBe(400);
    for (const limit of ['1', '1000']) expect((await ask(`?limit=${limit}`)).status, limit).toBe(200);
  });
});

it('says that the store cannot be read, and cuts a page of very long events', async () => {
  const memory = new MemoryEvents();
  const { store, failing } = failingStore(fakeStore(await openStore('memory:', retention), memory.open()));
  const { service } = await startWithEvents({ store });
  const ask = (path: string) => service.ask('GET', `/v1/events${path}`, { key });
  const data = JSON.stringify({ text: 'x'.repeat(19_000) });
  const ids = Array.from({ length: 700 }, () => memory.record({ caller: 'billing', data }).id);
  const first = pageOf(await ask('?limit=1000'));
  expect([first.data.length, first.hasMore]).toEqual([56, true]);
  const read = idsOf(first);
  for (let { nextCursor, hasMore } = first; hasMore; ) {
    const page = await ask(`?limit=1000&cursor=${nextCursor}`);
    expect(page.text.length).toBeLessThan(1_100_000);
    read.push(...idsOf(pageOf(page)));
    ({ nextCursor, hasMore } = pageOf(page));
  }
  expect(read).toEqual(ids);
  for (const operation of ['readEvents', 'eventPositions', 'findEvent'] as const) failing.add(operation);
  for (const path of ['', `?cursor=${first.nextCursor}`, `/${ids[0]}`, '/stream', '?cursor=latest'])
    expect((await ask(path)).json, path).toMatchObject({ ...aProblem('store-unavailable'), retryable: true });
  failing.clear();
  await service.close();
});

it('reads eight pages at once, and sends no more bytes of them than one caller may have', async () => {
  const memory = new MemoryEvents();
  const real = memory.open();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const reads = { asked: 0, begun: 0 };
  const counting: Partial<typeof real> = {
    eventPositions: (caller) => {
      if (caller === 'billing') reads.asked += 1;
      return real.eventPositions(caller);
    },
    readEvents: async (...of) => {
      reads.begun += 1;
      await released;
      return real.readEvents(...of);
    },
  };
  const store = fakeStore(await openStore('memory:', retention), { ...real, ...counting });
  const { service } = await startWithEvents({ store });
  const ask = () => service.ask('GET', '/v1/events', { key });
  memory.record({ caller: 'billing' });
  const asked = Array.from({ length: 20 }, ask);
  await expect.poll(() => reads.asked).toBe(20);
  await setImmediate();
  expect(reads.begun).toBe(8);
  release();
  const answers = await Promise.all(asked);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  const page = answers[0]?.text ?? '';
  const { take } = SharedPool.prototype;
  const isFull = vi.spyOn(SharedPool.prototype, 'take').mockImplementation(function (this: SharedPool, holder, amount) {
    return this.name === 'event-pages' && amount === page.length ? 'share-spent' : take.call(this, holder, amount);
  });
  expect((await ask()).json).toMatchObject({ ...aProblem('rate-limited'), retryable: true });
  isFull.mockRestore();
  expect((await ask()).text).toBe(page);
  await service.close();
});

describe('a cursor that cannot be gone on from', () => {
  let memory: MemoryEvents;
  let service: Service;
  beforeAll(async () => {
    ({ service, memory } = await startWithEvents());
  });
  afterAll(() => service.close());

  const ask = (query: string) => service.ask('GET', `/v1/events${query}`, { key });

  it('is refused with cursors to go on from, where events behind it were deleted', async () => {
    const start = pageOf(await ask('')).nextCursor;
    const [one, two, three] = [1, 2, 3].map(() => memory.record({ caller: 'billing' }));
    const behindOne = String(pageOf(await ask(`?limit=1&cursor=${start}`)).data[0]?.cursor);
    const behindTwo = pageOf(await ask(`?limit=2&cursor=${start}`)).nextCursor;
    memory.record({ caller: 'shop' });
    memory.purgeTo(two?.seq ?? 0);
    for (const [path, cursor] of [
      [`?cursor=${start}`],
      [`?cursor=${behindOne}`],
      [`/stream?lastEventId=${behindOne}`],
    ]) {
      const answer = await ask(`${path}${cursor ?? ''}`);
      expect(answer.json, path).toMatchObject({
        type: problem('cursor-expired'),
        detail: expect.stringContaining('deleted by age'),
        earliest: behindTwo,
        latest: expect.stringMatching(/^[\w-]{64}$/),
      });
      const { earliest, latest } = answer.json as Record<string, string>;
      expect(idsOf(pageOf(await ask(`?cursor=${earliest}`)))).toEqual([three?.id]);
      expect(pageOf(await ask(`?cursor=${latest}`)).data).toEqual([]);
    }
    // What was read before is not missed.
    expect(idsOf(pageOf(await ask(`?cursor=${behindTwo}`)))).toEqual([three?.id]);
    expect(idsOf(pageOf(await ask('?cursor=earliest')))).toEqual([three?.id]);
    expect(one?.seq).toBeLessThan(two?.seq ?? 0);
  });

  it('stays good for a caller that has missed nothing, however old it is', async () => {
    const cursor = pageOf(await ask('?cursor=latest')).nextCursor;
    for (let n = 0; n < 50; n++) memory.record({ caller: 'shop' });
    memory.purgeTo(Number.POSITIVE_INFINITY);
    const event = memory.record({ caller: 'billing' });
    expect(idsOf(pageOf(await ask(`?cursor=${cursor}`)))).toEqual([event.id]);
  });

  it('is refused where it is of another database, or beyond the end of this one', async () => {
    const other = await startWithEvents();
    other.memory.record({ caller: 'billing' });
    const foreign = pageOf(await other.service.ask('GET', '/v1/events', { key })).nextCursor;
    await other.service.close();
    const { json } = await ask(`?cursor=${foreign}`);
    expect(json).toMatchObject({
      type: problem('cursor-expired'),
      detail: expect.stringContaining('another database'),
    });
    expect((await ask(`?cursor=${(json as Record<string, string>).earliest}`)).status).toBe(200);

    // A copy of this database from before its last events.
    const copy = await startWithEvents({ copyOf: memory });
    memory.record({ caller: 'billing' });
    const beyond = pageOf(await ask('?cursor=latest')).nextCursor;
    const answer = await copy.service.ask('GET', `/v1/events?cursor=${beyond}`, { key });
    expect(answer.json).toMatchObject({
      type: problem('cursor-expired'),
      detail: expect.stringContaining('beyond the last event'),
    });
    const stream = await copy.service.ask('GET', '/v1/events/stream', { key, headers: { 'last-event-id': beyond } });
    expect(stream.json).toMatchObject(aProblem('cursor-expired'));
    await copy.service.close();
  });

  it('is looked for in the database before it is said to be beyond the end', async () => {
    const another = await startWithEvents({ processOf: memory });
    for (let n = 0; n < 20; n++) {
      memory.record({ caller: 'billing' });
      const fresh = pageOf(await ask('?cursor=latest')).nextCursor;
      const { status } = await another.service.ask('GET', `/v1/events?cursor=${fresh}`, { key });
      expect(status).toBe(200);
    }
    await another.service.close();
  });
});
