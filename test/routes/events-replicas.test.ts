import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aDatabase, type PostgresFixture } from '../store/postgres-fixture.ts';
import { followEvents } from '../support/event-client.ts';
import { type Service, startService } from '../support/service.ts';
import { idsOf, keys, pageOf } from './events-helper.ts';
import { seededConnection } from './outcomes.ts';

const server = process.env.TEST_POSTGRES_URL;

if (server === undefined) {
  describe.skip('PostgreSQL: NOT TESTED, because TEST_POSTGRES_URL is not set (.ci/postgres.sh start prints one)', () => {
    it('events of several replicas', () => undefined);
  });
} else {
  describe('PostgreSQL: events of several replicas', () => replicas(server));
}

const key = keys.billing;

function replicas(server: string): void {
  let database: PostgresFixture;
  let one: Service;
  let other: Service;
  const start = async () =>
    startService({
      store: await database.open(),
      settings: { MATON_CONNECTION_ID: seededConnection },
      callers: [{ name: 'billing', key, scopes: ['events:read', 'messages:send'], events: ['*'] }],
    });
  beforeAll(async () => {
    database = await aDatabase(server);
    one = await start();
    other = await start();
  });
  afterAll(async () => {
    await Promise.all([one.close(), other.close()]);
    await database.tearDown();
  });

  const feed = (service: Service, query = '', headers: Record<string, string> = {}) =>
    service.ask('GET', `/v1/events${query}`, { key, headers });
  const send = async (service: Service) => {
    const json = { to: '14155551000', text: 'Hello' };
    expect((await service.ask('POST', '/v1/messages/text', { key, json })).status).toBe(201);
  };

  it('are heard by streams and waiting requests of each, once and in one order, with the same bytes', async () => {
    const cursor = pageOf(await feed(one)).nextCursor;
    const streams = await Promise.all([one, other].map(({ url }) => followEvents(url, { key })));
    const held = feed(other, `?cursor=${cursor}`, { prefer: 'wait=30' });
    await Promise.all([one, other, one, other, one].map(send));
    expect(pageOf(await held).data.length).toBeGreaterThan(0);
    const [here, there] = await Promise.all(streams.map((stream) => stream.have(5)));
    expect(here).toEqual(there);
    const page = await feed(other, `?cursor=${cursor}`);
    expect(page.text).toContain(`{"data":[${here?.map(({ data }) => data).join(',')}],`);
    expect(page.text).toBe((await feed(one, `?cursor=${cursor}`)).text);
    for (const stream of streams) stream.close();
  });

  it('are read on behind a cursor of one by the other at once, and behind the last id of one that went down', async () => {
    for (let n = 0; n < 5; n++) {
      const { nextCursor } = pageOf(await feed(one, '?cursor=latest'));
      expect(idsOf(pageOf(await feed(other, `?cursor=${nextCursor}`)))).toEqual([]);
      const held = feed(one, `?cursor=${nextCursor}`, { prefer: 'wait=30' });
      await send(other);
      const fresh = pageOf(await held).nextCursor;
      expect((await feed(other, `?cursor=${fresh}`)).status).toBe(200);
    }
    const third = await start();
    const stream = await followEvents(third.url, { key });
    await send(third);
    await stream.have(1);
    await third.close();
    expect(await stream.ended()).toBe(true);
    await send(one);
    const again = await followEvents(other.url, { key, lastEventId: stream.lastId() });
    await again.have(1);
    const { data } = pageOf(await feed(one, `?cursor=${stream.lastId()}`));
    expect(again.events().map(({ id }) => id)).toEqual(data.map((event) => event.cursor));
    again.close();
  });
}
