import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { followEvents } from '../support/event-client.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { idsOf, keys, pageOf, retention } from './events-helper.ts';
import { seededConnection } from './outcomes.ts';

const key = keys.billing;
const to = '14155551000';

let store: Store;
let service: Service;
let clock = 0;
beforeAll(async () => {
  store = await openStore('memory:', { ...retention, monotonicClock: () => clock });
  const scopes = ['events:read', 'messages:send', 'messages:read'];
  service = await startService({
    store,
    settings: { MATON_CONNECTION_ID: seededConnection },
    callers: [{ name: 'billing', key, scopes, events: ['message.*'] }],
  });
});
afterAll(() => service.close());

const ask = (query: string, headers: Record<string, string> = {}) =>
  service.ask('GET', `/v1/events${query}`, { key, headers });
const send = async (text: string) => {
  const { status, json } = await service.ask('POST', '/v1/messages/text', { key, json: { to, text } });
  expect(status).toBe(201);
  return json as Record<string, unknown>;
};

it('tells of a message in the stream, to who waits, in the feed and by its id with the same bytes', async () => {
  const start = pageOf(await ask('')).nextCursor;
  const stream = await followEvents(service.url, { key });
  const held = ask(`?cursor=${start}`, { prefer: 'wait=30' });
  const message = await send('Hello');
  const page = pageOf(await held);
  expect(page.data).toMatchObject([
    { type: 'message.accepted', connectionId: seededConnection, data: { message: { id: message.id, to } } },
  ]);
  const [told] = await stream.have(1);
  const [event] = page.data;
  const { text } = await ask(`/${String(event?.id)}`);
  expect(text).toBe(told?.data);
  expect((await ask(`?cursor=${start}`)).text).toContain(`{"data":[${text}],`);
  expect(text).not.toContain('Hello');
  const ajv = new Ajv2020({ strict: false });
  ajv.addSchema(JSON.parse((await service.app.openapi()).json), 'document');
  expect(ajv.validate({ $ref: 'document#/components/schemas/Event' }, event)).toBe(true);
  stream.close();
});

it('numbers many in the order in which they were recorded, and a stream that comes back misses none', async () => {
  const start = pageOf(await ask('?cursor=latest')).nextCursor;
  const first = await followEvents(service.url, { key });
  const sent = await Promise.all(Array.from({ length: 20 }, (_, n) => send(`Number ${n}`)));
  await first.have(5);
  first.close();
  const second = await followEvents(service.url, { key, lastEventId: first.lastId() });
  const more = await Promise.all(Array.from({ length: 20 }, (_, n) => send(`And ${n}`)));
  const rest = 40 - first.events().length;
  await second.have(rest);
  const streamed = [...first.events(), ...second.events()].map(({ id }) => id);
  const feed: Record<string, unknown>[] = [];
  for (let cursor = start, hasMore = true; hasMore; ) {
    const page = pageOf(await ask(`?cursor=${cursor}&limit=7`));
    feed.push(...page.data);
    ({ nextCursor: cursor, hasMore } = page);
  }
  expect(feed.map(({ cursor }) => cursor)).toEqual(streamed);
  const ids = feed.map(({ data }) => (data as { message: { id: string } }).message.id);
  expect(ids.toSorted()).toEqual([...sent, ...more].map(({ id }) => id).toSorted());
  second.close();
});

it('refuses a cursor behind what was deleted by age, and goes on from its `earliest`', async () => {
  const old = pageOf(await ask('?cursor=latest')).nextCursor;
  await send('Old');
  await expect.poll(async () => pageOf(await ask(`?cursor=${old}`)).data.length).toBe(1);
  const behind = pageOf(await ask(`?cursor=${old}`)).nextCursor;
  clock += 3_600_000;
  expect(await store.expireEvents(1_000, 10_000)).toBeGreaterThan(0);
  const { json } = await ask(`?cursor=${old}`);
  expect(json).toMatchObject({ type: problem('cursor-expired') });
  await send('New');
  const { earliest } = json as Record<string, string>;
  await expect.poll(async () => idsOf(pageOf(await ask(`?cursor=${earliest}`))).length).toBe(1);
  expect((await ask(`?cursor=${behind}`)).text).toBe((await ask(`?cursor=${earliest}`)).text);
  expect((await ask(`?cursor=${behind.replace(/.$/, behind.endsWith('A') ? 'B' : 'A')}`)).status).toBe(400);
});
