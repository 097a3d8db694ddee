import pg from 'pg';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { insertPublished, insertRecording, newBroadcast, recipients, sweepAll } from './broadcast-samples.ts';
import { storeConformance } from './conformance.ts';
import { aDatabase, emptied, type PostgresFixture, query } from './postgres-fixture.ts';
import {
  ids,
  insertFinished,
  insertSending,
  MINUTE_MS,
  mustFind,
  newMessage,
  OPTIONS,
  recoverAndAdopt,
} from './samples.ts';

const server = process.env.TEST_POSTGRES_URL;

if (server === undefined) {
  describe.skip('PostgreSQL: NOT TESTED, because TEST_POSTGRES_URL is not set (.ci/postgres.sh start prints one)', () => {
    test('conformance', () => undefined);
  });
} else {
  const database = aDatabase(server);
  afterAll(async () => (await database).tearDown());
  storeConformance('PostgreSQL', emptied(database), true);
  replicas(server, emptied(database));
}

function replicas(server: string, createFixture: () => Promise<PostgresFixture>): void {
  describe('PostgreSQL: several replicas', () => {
    let fixture: PostgresFixture;
    let opened: Store[];
    beforeEach(async () => {
      fixture = await createFixture();
      opened = [];
    });
    afterEach(async () => {
      for (const store of opened) await store.close();
      await fixture.tearDown();
    });
    const replica = async (leaseMs = OPTIONS.leaseMs): Promise<Store> => {
      const store = await openStore(fixture.url, { ...OPTIONS, leaseMs });
      opened.push(store);
      return store;
    };
    const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

    test('four replicas can start at once on an empty database', async () => {
      fixture = await aDatabase(server);
      const stores = await Promise.all([replica(), replica(), replica(), replica()]);
      await Promise.all(stores.map((store, n) => store.insert(newMessage(`s${n}`))));
      const begun = await Promise.all(stores.map((store, n) => store.claim(`s${n}`, 1)));
      expect(begun).toEqual([true, true, true, true]);
    });

    test('one of a hundred concurrent inserts is recorded, over four replicas', async () => {
      const stores = await Promise.all([replica(), replica(), replica(), replica()]);
      const racing = Array.from({ length: 100 }, (_, n) =>
        stores[n % 4]?.insert(newMessage(`r${n}`, { idempotency: { route: 'r', key: 'k' } })),
      );
      const answers = await Promise.all(racing);
      expect(answers.filter((answer) => answer !== undefined && 'inserted' in answer)).toHaveLength(1);
    });

    test('messages are counted over all replicas, also after the connections that counted them have ended', async () => {
      const [one, other] = [await replica(), await replica()];
      await insertFinished(one, newMessage('a'), 'accepted');
      await insertSending(other, newMessage('b'));
      await query(fixture.url, "UPDATE sends SET status = 'rejected' WHERE id = 'b'");
      await Promise.all([other.insert(newMessage('c')), one.insert(newMessage('d'))]);
      await other.close();
      const counted = { accepted: 1, rejected: 1, queued: 2, sending: 0 };
      expect(await one.counts()).toMatchObject(counted);
      const client = new pg.Client({ connectionString: fixture.url });
      await client.connect();
      const ended = async () => {
        await one.purge(10);
        const gone = 'backend <> 0 AND backend NOT IN (SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL)';
        return (await client.query(`SELECT 1 FROM send_tallies WHERE ${gone}`)).rowCount;
      };
      await expect.poll(ended).toBe(0);
      expect((await client.query('SELECT 1 FROM send_tallies WHERE backend = 0')).rowCount).toBeGreaterThan(0);
      await client.end();
      expect(await one.counts()).toMatchObject(counted);
    });

    test('a replica of the previous version claims no message with a named channel', async () => {
      const store = await replica();
      const channel = '919999900001';
      await store.insert(newMessage('named', { channel, channelNamed: true }));
      await store.insert(newMessage('default', { channel }));
      await store.insert(newMessage('none'));
      await store.openBroadcast({ ...newBroadcast('b'), channel });
      const claimed = recipients('b', 0, 1).map((each) => ({ ...each, channel, channelNamed: true }));
      await store.addRecipients('b', claimed);
      await store.publishBroadcast('b', 'print');
      // Runs the statements of that version, for one row and for a batch.
      await query(
        fixture.url,
        "UPDATE sends SET status = 'sending', attempts = attempts + 1 WHERE status IN ('queued', 'staged')",
      );
      const stands = async (id: string) => (await mustFind(store, id)).status;
      expect(await Promise.all(['named', 'b-0', 'default', 'none'].map(stands))).toEqual([
        ...['queued', 'queued', 'sending', 'sending'],
      ]);
      expect(await store.claim('named', 1)).toBe(true);
      expect(await store.claimBatch('b', 9)).toHaveLength(1);
    });

    test('only the owner claims, requeues and completes; any replica cancels a queued message', async () => {
      const [mine, other] = await Promise.all([replica(), replica()]);
      await mine.insert(newMessage('a'));
      expect(await other.claim('a', 1)).toBe(false);
      expect(await other.complete('a', { status: 'not_sent', outcome: null })).toBe(false);
      expect(await mine.claim('a', 1)).toBe(true);
      expect(await other.requeue('a', 1)).toBe(false);
      expect(await other.complete('a', { status: 'rejected', outcome: null })).toBe(false);
      expect(await recoverAndAdopt(other, 10)).toEqual({ unknown: 0, adopted: [] });
      await mine.insert(newMessage('b'));
      expect(await other.complete('b', { status: 'cancelled', outcome: null })).toBe(true);
      expect(await mine.claim('b', 1)).toBe(false);
    });

    test('only the owner claims, requeues and completes several messages; any replica cancels queued ones of them', async () => {
      const [mine, other] = await Promise.all([replica(), replica()]);
      const group = ['a', 'b'];
      const marks = group.map((id) => ({ id, attempt: 1 }));
      const ends = (status: 'rejected' | 'cancelled') => group.map((id) => ({ id, status, outcome: null }));
      for (const id of group) await mine.insert(newMessage(id));
      expect(await other.claimAll(marks)).toEqual(new Set());
      expect(await other.completeAll(ends('rejected'))).toEqual(new Set());
      expect(await mine.claimAll(marks)).toEqual(new Set(group));
      expect(await other.requeueAll(marks)).toEqual(new Set());
      expect(await other.completeAll(ends('rejected'))).toEqual(new Set());
      expect(await other.completeAll(ends('cancelled'))).toEqual(new Set());
      expect(await mine.requeueAll([{ id: 'a', attempt: 1 }])).toEqual(new Set(['a']));
      expect(await other.completeAll(ends('cancelled'))).toEqual(new Set(['a']));
    });

    test('an expired lease claims nothing', async () => {
      const slow = await replica(300);
      await slow.insert(newMessage('q'));
      await pause(400);
      expect(await slow.claimAll([{ id: 'q', attempt: 1 }])).toEqual(new Set());
      await slow.heartbeat();
      expect(await slow.claimAll([{ id: 'q', attempt: 1 }])).toEqual(new Set(['q']));
    });

    test('a replica without heartbeats loses its messages for good', async () => {
      const [silent, alive] = [await replica(1_000), await replica()];
      await silent.insert(newMessage('q'));
      await insertSending(silent, newMessage('s'));
      await pause(1_100);
      expect(silent.holdsLease()).toBe(false);
      expect(await silent.claim('q', 1)).toBe(false);
      const { unknown, adopted } = await recoverAndAdopt(alive, 10);
      expect([unknown, ids(adopted)]).toEqual([1, ['q']]);
      expect(await silent.claim('q', 1)).toBe(false);
      await silent.heartbeat();
      expect(silent.holdsLease()).toBe(true);
      expect(await silent.claim('q', 1)).toBe(false);
      expect(await silent.complete('q', { status: 'not_sent', outcome: null })).toBe(false);
      expect(await alive.claim('q', 1)).toBe(true);
      expect(await silent.requeue('q', 1)).toBe(false);
      expect(await silent.complete('s', { status: 'accepted', outcome: 'late' })).toBe(true);
      await silent.insert(newMessage('n'));
      expect(await silent.claim('n', 1)).toBe(true);
    });

    test('a lease that expired unnoticed is renewed with its messages', async () => {
      const slow = await replica(300);
      await slow.insert(newMessage('q'));
      await pause(400);
      expect(slow.holdsLease()).toBe(false);
      await slow.heartbeat();
      expect(await slow.claim('q', 1)).toBe(true);
    });

    test('a replica that lost its lease adopts nothing until its next heartbeat', async () => {
      const [gone, late] = [await replica(300), await replica(300)];
      await gone.insert(newMessage('q'));
      await pause(400);
      expect((await recoverAndAdopt(late, 10)).adopted).toEqual([]);
      await late.heartbeat();
      expect(ids((await recoverAndAdopt(late, 10)).adopted)).toEqual(['q']);
    });

    test('orphans and due look-ups go to one replica each', async () => {
      const gone = await replica();
      await Promise.all(Array.from({ length: 40 }, (_, n) => gone.insert(newMessage(`q${n}`))));
      for (let n = 0; n < 10; n++) await insertFinished(gone, newMessage(`u${n}`), 'unknown');
      await gone.close();
      await fixture.advance(MINUTE_MS);
      const stores = await Promise.all([replica(), replica(), replica()]);
      const recovered = await Promise.all(stores.map((store) => recoverAndAdopt(store, 10)));
      const adopted = recovered.flatMap((each) => ids(each.adopted));
      expect([adopted.length, new Set(adopted).size]).toEqual([30, 30]);
      const looks = (await Promise.all(stores.map((store) => store.takeDueLookups(10)))).flat();
      expect(new Set(ids(looks)).size).toBe(looks.length);
      for (const store of stores) looks.push(...(await store.takeDueLookups(10)));
      expect(ids(looks).sort()).toEqual(Array.from({ length: 10 }, (_, n) => `u${n}`));
    });

    test('replicas claim from one broadcast, and no recipient is claimed by two', async () => {
      const stores = await Promise.all([replica(), replica(), replica()]);
      await insertPublished(stores[0], 'b', 60);
      const claims = await Promise.all(
        stores.flatMap((store) => [store.claimBatch('b', 10), store.claimBatch('b', 10)]),
      );
      const claimed = claims.flatMap(ids);
      expect(new Set(claimed).size).toBe(claimed.length);
      for (const store of stores) claimed.push(...ids(await store.claimBatch('b', 60)));
      expect([claimed.length, new Set(claimed).size]).toEqual([60, 60]);
      const owned = (await Promise.all(stores.map((store) => store.listClaimed('b')))).flat();
      expect(owned.map(({ id }) => id).sort()).toEqual(claimed.sort());
      const [first, second] = stores;
      const group = ids(claims[0] ?? []);
      const marks = group.map((id) => ({ id, attempt: 1 }));
      expect(await second.requeueAll(marks)).toEqual(new Set());
      expect(await first.requeueAll(marks)).toEqual(new Set(group));
      expect(ids(await second.claimBatch('b', 60)).sort()).toEqual(group.sort());
      expect(await first.completeAll(group.map((id) => ({ id, status: 'accepted', outcome: null })))).toEqual(
        new Set(),
      );
    });

    test('nothing is claimed after a pause was acknowledged, by any replica', async () => {
      const [one, two] = await Promise.all([replica(), replica()]);
      await insertPublished(one, 'b', 400);
      let answered = false;
      const late: string[] = [];
      const claiming = async (store: Store): Promise<void> => {
        for (let n = 0; n < 40; n++) {
          const after = answered;
          const claimed = ids(await store.claimBatch('b', 5));
          if (after) late.push(...claimed);
        }
      };
      const pausing = async (): Promise<void> => {
        await pause(30);
        const paused = await one.changeBroadcastStatus('crm', 'b', { to: 'paused' });
        answered = true;
        // Its answer holds: no message goes from queued to sending any more.
        await pause(100);
        expect((await two.findBroadcast('crm', 'b'))?.counts).toEqual(paused?.counts);
      };
      await Promise.all([claiming(one), claiming(two), claiming(two), pausing()]);
      expect(late).toEqual([]);
    });

    test('a claim and a status change that hold the broadcast wait for each other', async () => {
      const store = await replica();
      await insertPublished(store, 'b', 2);
      const rival = new pg.Client({ connectionString: fixture.url });
      await rival.connect();
      await rival.query("BEGIN; UPDATE broadcasts SET status = 'paused' WHERE id = 'b'");
      const claimed = store.claimBatch('b', 2);
      await pause(100);
      await rival.query('COMMIT');
      expect(await claimed).toEqual([]);
      await rival.end();
    });

    test('any replica continues the broadcast of one that is gone, and deletes what it left recording', async () => {
      const [gone, alive] = await Promise.all([replica(600), replica()]);
      await insertRecording(gone, 'open', 3);
      await insertPublished(gone, 'b', 4);
      await gone.claimBatch('b', 1);
      expect(await alive.sweepBroadcasts(9)).toBe(0);
      expect(await alive.addRecipients('open', recipients('open', 3, 4))).toBe(false);
      expect(await alive.publishBroadcast('open', 'print')).toBeUndefined();
      await pause(700);
      expect(await gone.claimBatch('b', 1)).toEqual([]);
      await sweepAll(alive);
      expect(await gone.addRecipients('open', recipients('open', 3, 4))).toBe(false);
      expect(await recoverAndAdopt(alive, 9)).toEqual({ unknown: 1, adopted: [] });
      expect(ids(await alive.claimBatch('b', 9))).toEqual(['b-1', 'b-2', 'b-3']);
      await insertRecording(alive, 'open', 3);
    });

    test('broken connections are replaced', async () => {
      const store = await replica();
      await Promise.all(Array.from({ length: 20 }, (_, n) => store.insert(newMessage(`a${n}`))));
      await query(
        fixture.url,
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()',
      );
      await pause(50);
      await store.check();
      await store.heartbeat();
      expect(await mustFind(store, 'a0')).toMatchObject({ status: 'queued' });
    });

    test('a failure says whether something may have been written', async () => {
      const store = await replica();
      const rival = new pg.Client({ connectionString: fixture.url });
      await rival.connect();
      await rival.query('ALTER TABLE send_store RENAME TO elsewhere');
      await expect(store.check()).rejects.toMatchObject({ name: 'StoreError', notCommitted: true });
      await rival.query('ALTER TABLE elsewhere RENAME TO send_store');
      await rival.query('BEGIN; UPDATE send_store SET checks = checks + 1');
      const cut = expect(store.check()).rejects.toMatchObject({ name: 'StoreError', notCommitted: false });
      await pause(100);
      const others = 'FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()';
      await rival.query(`SELECT pg_terminate_backend(pid) ${others}`);
      await cut;
      await rival.query('COMMIT');
      const name = new URL(fixture.url).pathname.slice(1);
      await query(server, `ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
      await rival.query(`SELECT pg_terminate_backend(pid) ${others}`);
      await pause(50);
      await expect(store.check()).rejects.toMatchObject({ name: 'StoreError', notCommitted: true });
      await query(server, `ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
      await rival.end();
      await store.check();
    });

    test('an unreachable server is a StoreError', async () => {
      await expect(openStore('postgres://postgres@127.0.0.1:1/none', OPTIONS)).rejects.toMatchObject({
        name: 'StoreError',
      });
    });
  });
}
