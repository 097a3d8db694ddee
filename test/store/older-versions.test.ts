import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { MIGRATIONS as postgresMigrations } from '../../src/store/postgres/migrate.ts';
import type { Row } from '../../src/store/sql/engine.ts';
import { MIGRATIONS as sqliteMigrations } from '../../src/store/sqlite/file.ts';
import { BROADCASTS } from './broadcast-samples.ts';
import { insertFinished, insertSending, mustFind, newMessage, OPTIONS, OUTCOME, ROUTE, withKey } from './samples.ts';

const server = process.env.TEST_POSTGRES_URL;

/** A database of the version that recognized contents by plain digests and counted reasons at each read. */
interface OldDatabase {
  url: string;
  run(sql: string): Promise<Row[]>;
  tearDown(): Promise<void>;
}

function sqliteDatabase(): OldDatabase {
  const folder = mkdtempSync(join(tmpdir(), 'older-'));
  const path = join(folder, 'store.db');
  const run = async (sql: string) => {
    const db = new DatabaseSync(path);
    try {
      if (sql.startsWith('SELECT')) return db.prepare(sql).all();
      // Waiting for the disk at each statement would take most of the test's time.
      db.exec(`PRAGMA synchronous = OFF; BEGIN; ${sql}; COMMIT`);
      return [];
    } finally {
      db.close();
    }
  };
  const db = new DatabaseSync(path);
  db.exec(
    `PRAGMA synchronous = OFF; BEGIN; ${sqliteMigrations.slice(0, 8).flat().join(';')}; PRAGMA user_version = 8; COMMIT`,
  );
  db.close();
  return { url: `file:${path}`, run, tearDown: async () => rmSync(folder, { recursive: true }) };
}

let databases = 0;
async function postgresDatabase(): Promise<OldDatabase> {
  const name = `older_${process.pid}_${databases++}`;
  const on = async (url: string, sql: string) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query<Row>(sql);
    await client.end();
    return rows;
  };
  await on(String(server), `CREATE DATABASE ${name}`);
  const url = new URL(String(server));
  url.pathname = `/${name}`;
  const run = (sql: string) => on(url.href, sql);
  for (const migration of postgresMigrations.slice(0, 10)) await run(migration.join(';'));
  await run(`CREATE TABLE send_migrations (version INTEGER PRIMARY KEY, applied_at TIMESTAMPTZ);
    INSERT INTO send_migrations SELECT n, now() FROM generate_series(1, 10) AS n`);
  return {
    url: url.href,
    run,
    tearDown: async () => void (await on(String(server), `DROP DATABASE ${name} WITH (FORCE)`)),
  };
}

const columns = 'id, caller, kind, recipient, connection_id, status, owner, created_at, updated_at, ended_at';
const at = Date.parse('2026-03-01T00:00:00Z');

const homes = [
  ['SQLite', sqliteDatabase, false],
  ['PostgreSQL', postgresDatabase, server === undefined],
] as const;
for (const [name, makeDatabase, isMissing] of homes) {
  describe.skipIf(isMissing)(`${name}: records of earlier versions`, () => {
    let old: OldDatabase;
    let store: Store;
    beforeEach(async () => {
      old = await makeDatabase();
      await old.run(`
        INSERT INTO broadcasts (id, caller, template, name, connection_id, idem_route, idem_key, fingerprint, status, owner,
            total, created_at, updated_at, ended_at)
          VALUES ('b', 'crm', 't', 'n', 'c1', '${BROADCASTS}', 'k', 'plain', 'done', 1, 6, ${at}, ${at}, 0),
            ('none', 'crm', 't', 'n', 'c1', NULL, NULL, NULL, 'done', 1, 1, ${at}, ${at}, 0);
        INSERT INTO sends (${columns}, broadcast_id, failure_code) VALUES
          ('r0', 'crm', 'template', '491', 'c1', 'rejected', 1, ${at}, ${at}, 0, 'b', 'recipient'),
          ('r1', 'crm', 'template', '492', 'c1', 'rejected', 1, ${at}, ${at}, 0, 'b', 'recipient'),
          ('r2', 'crm', 'template', '493', 'c1', 'rejected', 1, ${at}, ${at}, 0, 'b', NULL),
          ('r3', 'crm', 'template', '494', 'c1', 'not_sent', 1, ${at}, ${at}, 0, 'b', 'not_sent'),
          ('r4', 'crm', 'template', '495', 'c1', 'unknown', 1, ${at}, ${at}, 0, 'b', NULL),
          ('single', 'crm', 'text', '495', 'c1', 'rejected', 1, ${at}, ${at}, 0, NULL, 'recipient');
        INSERT INTO sends (${columns}, fingerprint, idem_route, idem_key, sent_at) VALUES
          ('keyed', 'crm', 'text', '14155551234', 'c1', 'accepted', 1, ${at}, ${at}, ${Date.now()}, 'plain', '${ROUTE}', 'k', ${at}),
          ('bare', 'crm', 'text', '14155551234', 'c1', 'accepted', 1, ${at}, ${at}, 0, 'plain', NULL, NULL, ${at})`);
      store = await openStore(old.url, { ...OPTIONS, keyRetentionMs: Number.MAX_SAFE_INTEGER });
    });
    afterEach(async () => {
      await store.close();
      await old.tearDown();
    });

    test('are compared by the digests that they have, and they and their reasons of rejection still count', async () => {
      expect(await store.counts()).toMatchObject({ accepted: 2, rejected: 4, not_sent: 1, unknown: 1, queued: 0 });
      const keyed = await store.findByKey('crm', ROUTE, 'k');
      const broadcast = await store.findBroadcastByKey('crm', BROADCASTS, 'k');
      for (const known of [keyed, broadcast]) {
        expect(known && [store.sameContent(known, 'plain'), store.sameContent(known, 'other')]).toEqual([true, false]);
      }
      const [from, until] = [new Date(at - 1).toISOString(), new Date(at + 1).toISOString()];
      expect(await store.countLookalikes(newMessage('new', { fingerprint: 'plain' }), from, until)).toBe(2);
      expect(await store.countLookalikes(newMessage('new', { fingerprint: 'other' }), from, until)).toBe(0);
      expect(await store.countRejections('b')).toEqual({ recipient: 2, other: 1 });
      expect(await store.countRejections('none')).toEqual({});
      await store.complete('r4', { status: 'rejected', failure: { code: 'recipient', detail: 'd' }, outcome: OUTCOME });
      expect(await store.countRejections('b')).toEqual({ recipient: 3, other: 1 });
    });
  });
}

test('SQLite: digests without a key are erased after an hour, and new records have none', async () => {
  const old = sqliteDatabase();
  let clock = 0;
  await old.run(`INSERT INTO sends (${columns}, fingerprint, call_json)
    VALUES ('bare', 'crm', 'text', '491', 'c1', 'unknown', 1, ${at}, ${at}, 0, 'plain', '"words"')`);
  const store = await openStore(old.url, { ...OPTIONS, monotonicClock: () => clock });
  await insertFinished(store, newMessage('new', { fingerprint: 'plain' }), 'accepted');
  await insertFinished(store, newMessage('keyed', withKey('k', 'plain')), 'accepted');
  clock += 3_600_000;
  expect(await store.purge(10)).toBe(2);
  await store.close();
  const rows = await old.run('SELECT id, fingerprint, content_mac, call_json FROM sends ORDER BY seq');
  expect(rows).toMatchObject([
    { id: 'bare', fingerprint: null, content_mac: null, call_json: '"words"' },
    { id: 'new', fingerprint: null, content_mac: null },
    { id: 'keyed', fingerprint: null, content_mac: expect.stringMatching(/^[\w-]{43}$/) },
  ]);
  await old.tearDown();
});

describe.skipIf(server === undefined)('PostgreSQL: beside a replica of an earlier version', () => {
  test('new records have the plain digests that it needs, until it is gone', async () => {
    const old = await postgresDatabase();
    await old.run(`INSERT INTO send_owners (name, lease_until) VALUES ('older', now() + interval '1 hour')`);
    const [one, two] = [await openStore(old.url, OPTIONS), await openStore(old.url, OPTIONS)];
    const kept = (id: string) =>
      old.run(`SELECT fingerprint, content_mac IS NOT NULL AS known FROM sends WHERE id = '${id}'`);
    await insertFinished(one, newMessage('beside', { fingerprint: 'plain' }), 'accepted');
    await insertSending(one, newMessage('settled'));
    await one.complete('settled', { status: 'accepted', fingerprint: 'plain', outcome: OUTCOME });
    for (const id of ['beside', 'settled']) expect(await kept(id)).toEqual([{ fingerprint: 'plain', known: true }]);
    // All replicas of a version recognize each other's contents by the secret that the first one made.
    expect(two.sameContent(await mustFind(two, 'beside'), 'plain')).toBe(true);
    await old.run('UPDATE sends SET ended_at = ended_at - 7200000');
    expect(await two.purge(10)).toBe(0);
    await old.run(`UPDATE send_owners SET lease_until = now() WHERE name = 'older'`);
    await two.heartbeat();
    await insertFinished(two, newMessage('after', { fingerprint: 'plain' }), 'accepted');
    expect(await kept('after')).toEqual([{ fingerprint: null, known: true }]);
    expect(await two.purge(10)).toBe(2);
    expect(await kept('beside')).toEqual([{ fingerprint: null, known: false }]);
    await Promise.all([one.close(), two.close()]);
    await old.tearDown();
  });

  test('the table with the texts is vacuumed when a hundredth of it has changed', async () => {
    const old = await postgresDatabase();
    await (await openStore(old.url, OPTIONS)).close();
    const early = ['autovacuum_vacuum_scale_factor=0.01', 'autovacuum_vacuum_threshold=200'];
    const options = await old.run(`SELECT own.reloptions AS own, long.reloptions AS long FROM pg_class AS own
      JOIN pg_class AS long ON long.oid = own.reltoastrelid WHERE own.oid = 'sends'::regclass`);
    expect(options).toEqual([{ own: early, long: early }]);
    await old.tearDown();
  });

  test('replicas that start at the same time share one secret', async () => {
    const old = await postgresDatabase();
    const stores = await Promise.all(Array.from({ length: 4 }, () => openStore(old.url, OPTIONS)));
    await stores[0]?.insert(newMessage('a', { fingerprint: 'f' }));
    for (const store of stores) expect(store.sameContent(await mustFind(store, 'a'), 'f')).toBe(true);
    expect(await old.run('SELECT count(*) AS n FROM store_secrets')).toEqual([{ n: '1' }]);
    await Promise.all(stores.map((store) => store.close()));
    await old.tearDown();
  });
});
