import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventTypes } from '../../src/events/event-types.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { MIGRATIONS } from '../../src/store/postgres/migrate.ts';
import { recordAll } from './event-samples.ts';
import { query } from './postgres-fixture.ts';
import { OPTIONS } from './samples.ts';

const server = process.env.TEST_POSTGRES_URL;
const BEFORE = MIGRATIONS.findIndex((migration) => migration.join().includes('CREATE TABLE event_facts'));

/** Statements of the previous version on these tables, which does not know events. */
const claim = "UPDATE sends SET status = 'sending', attempts = 1, sent_at = 1 WHERE id = 'a'";
const settle =
  "UPDATE sends SET status = 'accepted', updated_at = 7, ended_at = 0, verdict_json = '\"done\"' WHERE id = 'a'";
const open =
  "INSERT INTO deliveries (send_seq, caller, rank, source, updated_at) SELECT seq, caller, 0, 'webhook', 8 FROM sends WHERE id = 'a'";
const move = 'UPDATE deliveries SET rank = 3, delivered_at = 8, updated_at = 8';
const finish = "UPDATE broadcasts SET status = 'done', finished_at = 9, ended_at = 0 WHERE id = 'b'";

describe.skipIf(server === undefined)('PostgreSQL: a replica of the version before events', () => {
  const name = `events_before_${process.pid}`;
  const url = new URL(server ?? 'postgres://nobody');
  url.pathname = `/${name}`;
  let old: pg.Client;
  let observer: pg.Client;
  let opened: Store[];
  beforeEach(async () => {
    await query(String(server), `CREATE DATABASE ${name}`);
    [old, observer] = [new pg.Client(url.href), new pg.Client(url.href)];
    await Promise.all([old.connect(), observer.connect()]);
    for (const migration of MIGRATIONS.slice(0, BEFORE)) await old.query(migration.join(';'));
    await old.query(`CREATE TABLE send_migrations (version INTEGER PRIMARY KEY, applied_at TIMESTAMPTZ);
      INSERT INTO send_migrations SELECT n, now() FROM generate_series(1, ${BEFORE}) AS n;
      INSERT INTO sends (id, caller, kind, recipient, connection_id, status, owner, created_at, updated_at, call_json)
        VALUES ('a', 'crm', 'text', '491', 'c1', 'queued', 1, 1, 1, '"words"');
      INSERT INTO broadcasts (id, caller, template, name, connection_id, status, owner, created_at, updated_at)
        VALUES ('b', 'crm', 't', 'n', 'c1', 'running', 1, 1, 1)`);
    opened = [];
  });
  afterEach(async () => {
    for (const store of opened) await store.close();
    await Promise.all([old.end(), observer.end()]);
    await query(String(server), `DROP DATABASE ${name} WITH (FORCE)`);
  });
  const openOne = async (): Promise<Store> => {
    const store = await openStore(url.href, OPTIONS);
    opened.push(store);
    return store;
  };
  const told = async (store: Store) => (await store.pendingFacts(9)).map(({ type, at }) => `${type} ${at}`);

  test('goes on beside the new one, and what it moves is told', async () => {
    const store = await openOne();
    await store.setSubscriptions([{ caller: 'crm', types: eventTypes }]);
    for (const statement of [claim, settle, open, move, finish]) await old.query(statement);
    expect(await told(store)).toEqual(['message.accepted 7', 'message.delivered 8', 'broadcast.finished 9']);
    expect(await recordAll(store)).toHaveLength(3);
    // The previous version deletes messages by age that have pending facts.
    await old.query(
      "UPDATE sends SET status = 'unknown' WHERE id = 'a'; UPDATE sends SET status = 'accepted' WHERE id = 'a'",
    );
    expect(await told(store)).toHaveLength(2);
    await old.query("DELETE FROM sends WHERE id = 'a'");
    expect(await told(store)).toEqual([]);
  });

  test.each([
    ['its messages, then their deliveries', [claim, settle], [open, move]],
    ['its deliveries, then its messages', [open], [move, settle]],
    ['a broadcast, then its messages', [finish], [claim, settle, open, move]],
    ['a message, then its broadcast', [claim], [finish, open, move]],
  ])(
    'may hold %s in one transaction: the migration waits for it, and it never waits for the migration',
    async (_, first, then) => {
      await old.query('BEGIN');
      for (const statement of first) await old.query(statement);
      const migrating = openOne();
      await expect
        .poll(async () => {
          const waiting = "wait_event_type = 'Lock' AND datname = current_database() AND pid <> pg_backend_pid()";
          return (await observer.query(`SELECT 1 FROM pg_stat_activity WHERE ${waiting}`)).rows.length;
        })
        .toBeGreaterThan(0);
      await old.query("SET LOCAL lock_timeout = '2s'");
      for (const statement of then) await old.query(statement);
      await old.query('COMMIT');
      expect(await told(await migrating)).toEqual([]);
    },
  );
});
