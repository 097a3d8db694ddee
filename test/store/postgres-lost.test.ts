import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { aDatabase, type Database } from '../crash/database.ts';
import { aLine, type Line } from '../support/tcp-fault-proxy.ts';
import { BROADCASTS, newBroadcast, sweepAll } from './broadcast-samples.ts';
import { ids, listOwnQueued, newMessage, OPTIONS, ROUTE, withKey } from './samples.ts';

const server = process.env.TEST_POSTGRES_URL;

/** A database continues a statement after its connection is lost. */
describe.skipIf(server === undefined)('PostgreSQL: a connection that is lost', () => {
  let database: Database;
  let line: Line;
  let store: Store;
  /** Another connection to the same database, which holds locks. */
  let rival: pg.Client;
  beforeEach(async () => {
    database = await aDatabase();
    line = await aLine(database.url);
    store = await openStore(line.url, OPTIONS);
    rival = new pg.Client({ connectionString: database.url });
    await rival.connect();
  });
  afterEach(async () => {
    await store.close();
    await rival.end();
    line.close();
    await database.drop();
  });

  const waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
  const waits = () => expect.poll(async () => (await rival.query(waiting)).rowCount).toBe(1);
  const nobodyWaits = () => expect.poll(async () => (await rival.query(waiting)).rowCount).toBe(0);
  /** Finds statements of lost connections that still run. */
  const busy = `SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'`;
  const nobodyIsBusy = () => expect.poll(async () => (await rival.query(busy)).rowCount).toBe(0);
  const count = async (table: string, id: string) => {
    const { rows } = await rival.query(`SELECT status FROM ${table} WHERE id = $1`, [id]);
    return rows.map(({ status }) => status);
  };
  /** Inserts the same key in another transaction, which is rolled back later; others with this key wait for it. */
  const holdKey = async (table: string, key: string, route: string) => {
    const more = table === 'broadcasts' ? ['template, name', "'', ''"] : ['kind', "'text'"];
    await rival.query('BEGIN');
    await rival.query(
      `INSERT INTO ${table}
         (id, caller, connection_id, idem_route, idem_key, status, owner, created_at, updated_at, ${more[0]})
       VALUES ('rival', 'crm', 'c1', $1, $2, 'queued', 0, 0, 0, ${more[1]})`,
      [route, key],
    );
  };

  test('an insert is not committed after its caller was told that it was not', async () => {
    await holdKey('sends', 'k', ROUTE);
    const recorded = store.insert(newMessage('s', withKey('k')));
    const heard = expect(recorded).rejects.toMatchObject({ name: 'StoreError', notCommitted: true });
    await waits();
    line.cut();
    await heard;
    await rival.query('ROLLBACK');
    await nobodyWaits();
    await sleep(100);
    expect(await store.find('crm', 's')).toBeUndefined();
    expect(await store.findByKey('crm', ROUTE, 'k')).toBeUndefined();
    expect(await store.insert(newMessage('again', withKey('k')))).toHaveProperty('inserted');
    expect(ids((await store.list('crm', {}, { limit: 9 })).messages)).toEqual(['again']);
    expect(await store.counts()).toMatchObject({ queued: 1, cancelled: 0 });
  });

  test('a quota is not charged for an insert that its caller was told was not made', async () => {
    const quota = { perHour: 5 };
    await store.insert(newMessage('before', { quota }));
    await rival.query('BEGIN');
    await rival.query('UPDATE caller_quotas SET in_hour = in_hour');
    const recorded = store.insert(newMessage('s', { quota }));
    const heard = expect(recorded).rejects.toMatchObject({ name: 'StoreError', notCommitted: true });
    await waits();
    line.cut();
    await heard;
    await rival.query('ROLLBACK');
    await nobodyIsBusy();
    expect(await store.find('crm', 's')).toBeUndefined();
    expect(await store.quotaLeft('crm', quota)).toMatchObject({ left: 4 });

    line.loseAnswerTo('COMMIT');
    await expect(store.insert(newMessage('t', { quota }))).rejects.toMatchObject({ notCommitted: true });
    await nobodyIsBusy();
    expect(await store.find('crm', 't')).toBeUndefined();
    expect(await store.quotaLeft('crm', quota)).toMatchObject({ left: 4 });
  });

  test('an insert whose commit takes long is undone once it is committed', async () => {
    await rival.query(`
      CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN
          PERFORM set_config('lock_timeout', '0', true);
          PERFORM pg_advisory_xact_lock(1);
          RETURN NULL;
        END $$;
      CREATE CONSTRAINT TRIGGER stalls AFTER INSERT ON sends DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (new.status = 'queued') EXECUTE FUNCTION stall();
      SELECT pg_advisory_lock(1)`);
    const recorded = store.insert(newMessage('s'));
    const heard = expect(recorded).rejects.toMatchObject({ name: 'StoreError', notCommitted: true });
    await waits();
    line.cut();
    await sleep(300);
    await rival.query('SELECT pg_advisory_unlock(1)');
    await heard;
    expect(await count('sends', 's')).toEqual([]);
  });

  test('messages that an unacknowledged adoption took are found among the own ones', async () => {
    const gone = await openStore(database.url, OPTIONS);
    await gone.insert(newMessage('s'));
    await gone.close();
    await store.recoverOrphans();
    const [lane] = await store.listQueues(9);
    if (!lane) throw new Error('nothing is queued');
    line.loseAnswerTo('COMMIT');
    await expect(store.adoptOrphans(lane, 9)).rejects.toMatchObject({ name: 'StoreError', notCommitted: false });
    await nobodyIsBusy();
    expect(ids(await listOwnQueued(store))).toEqual(['s']);
    expect(await store.claim('s', 1)).toBe(true);
    expect(await listOwnQueued(store)).toEqual([]);
  });

  test('a refusal of the database is known to be unwritten, in whatever language it reports it', async () => {
    // Like a Czech server: the severity occurs twice, and the first one is translated.
    line.translate('SERROR\0', 'SCHYBA\0');
    await rival.query('ALTER TABLE send_store RENAME TO elsewhere');
    await expect(store.check()).rejects.toMatchObject({ name: 'StoreError', notCommitted: true });
    await rival.query('ALTER TABLE elsewhere RENAME TO send_store');
    await store.check();
  });

  test('a broadcast that is created after that releases its key', async () => {
    await holdKey('broadcasts', 'key of b', BROADCASTS);
    const opened = expect(store.openBroadcast(newBroadcast('b'))).rejects.toMatchObject({ name: 'StoreError' });
    await waits();
    line.cut();
    await opened;
    await sweepAll(store);
    await rival.query('ROLLBACK');
    await nobodyWaits();
    await sleep(100);
    expect(await store.findBroadcastByKey('crm', BROADCASTS, 'key of b')).toBeUndefined();
    const again = newBroadcast('again', { idempotency: newBroadcast('b').idempotency });
    expect(await store.openBroadcast(again)).toEqual({ opened: true });
    await sweepAll(store);
    expect(await store.listBroadcasts('crm', { limit: 9 })).toEqual({ broadcasts: [] });
  });
});
