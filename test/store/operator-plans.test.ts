import type { DatabaseSync } from 'node:sqlite';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresDialect } from '../../src/store/postgres/engine.ts';
import { listSettings } from '../../src/store/postgres/pools.ts';
import { callerCountStatements } from '../../src/store/sql/caller-counts.ts';
import { bindings, type Row, type Statement, type Value } from '../../src/store/sql/engine.ts';
import { operatorMessageStatements } from '../../src/store/sql/operator-message-statements.ts';
import { sqliteDialect } from '../../src/store/sqlite/dialect.ts';
import { openDatabase } from '../../src/store/sqlite/file.ts';
import { createMigrated, type MigratedDatabase } from './migrated-database.ts';

type Name = keyof ReturnType<typeof operatorMessageStatements> | keyof ReturnType<typeof callerCountStatements>;

/** Checks that the databases find records for operators by an index, without reading a million others. */
describe('SQLite: the query plan of what operators read', () => {
  let db: DatabaseSync;
  beforeAll(() => {
    db = openDatabase(':memory:');
  });
  afterAll(() => db.close());
  const statements = { ...operatorMessageStatements(sqliteDialect), ...callerCountStatements(sqliteDialect) };
  const planOf = ({ positional, names }: Statement): string[] =>
    db
      .prepare(`EXPLAIN QUERY PLAN ${positional}`)
      .all(...names.map(() => null))
      .map(({ detail }) => String(detail));

  test.each<[Name, RegExp]>([
    ['find', /USING INDEX \S+ \((id=\?|caller=\? AND resend_of=\?)|USING INTEGER PRIMARY KEY|sends_child/],
    ['past', /\(id=\?\)|send_history USING INDEX \S+ \(send_seq=\?/],
    ['noteRequeued', /given|jsonb?_each|\(id=\?\)/],
    ['findBroadcast', /\(id=\?\)|\(broadcast_id=\?\)|chosen/],
    ['findBroadcasts', /\(id=\?\)|\(broadcast_id=\?\)|chosen|jsonb?_each/],
    ['listOpen', /broadcasts_open \(status=\?|\(rowid=\?\)|\(broadcast_id=\?\)|chosen/],
    ['groupUnknown', /COVERING INDEX sends_unknown|recent/],
    ['findUnknown', /\(rowid=\?\)|sends_child \(caller=\? AND resend_of=\?\)|\(id=\?\)|jsonb?_each/],
    [
      'countUnknown',
      /\(rowid=\?\)|sends_child \(caller=\? AND resend_of=\?\)|\(id=\?\)|sends_lost_call \(lost_call=\?\)|jsonb?_each/,
    ],
    ['add', /jsonb?_each|given/],
    ['today', /PRIMARY KEY \(day=\?\)|autoindex_caller_days_1 \(day=\?\)/],
    ['spent', /autoindex_caller_quotas_1 \(caller=\?\)|jsonb?_each/],
    ['expire', /autoindex_caller_days_1 \(day<\?\)/],
  ])('of %s goes by an index', (name, allowed) => {
    const plan = planOf(statements[name]);
    const steps = plan.filter((step) => /^(SEARCH|SCAN) /.test(step));
    expect(steps.length).toBeGreaterThan(0);
    for (const step of steps) expect(step).toMatch(allowed);
  });
});

const server = process.env.TEST_POSTGRES_URL;
const ROWS = 60_000;

/** Returns the number of rows that a step of a plan returned or filtered out. */
function lookedAt(plan: Row): number {
  const children = Array.isArray(plan.Plans) ? plan.Plans : [];
  const own = Number(plan['Actual Rows']) + Number(plan['Rows Removed by Filter'] ?? 0);
  const isTable = 'Relation Name' in plan;
  const scanned = isTable ? own * Number(plan['Actual Loops']) : 0;
  return children.reduce((sum: number, child: Row) => sum + lookedAt(child), scanned);
}

describe.skipIf(server === undefined)('PostgreSQL: what operators read', () => {
  let database: MigratedDatabase;
  let db: pg.Client;
  let lists: pg.Client;
  beforeAll(async () => {
    database = await createMigrated(server, `operators_${process.pid}`);
    db = await database.connect();
    lists = await database.connect(listSettings);
    for (const table of ['sends', 'broadcasts']) await db.query(`ALTER TABLE ${table} SET (autovacuum_enabled = off)`);
    await db.query(`INSERT INTO broadcasts (id, caller, template, name, connection_id, status, owner, created_at, updated_at, ended_at)
      SELECT 'b' || i, 'crm', 't', 'n', 'c', CASE WHEN i % 1000 = 0 THEN 'running' ELSE 'done' END, 1, 0, 0, CASE WHEN i % 1000 > 0 THEN 0 END
      FROM generate_series(0, 4999) AS i`);
    await db.query(`INSERT INTO sends (id, caller, kind, recipient, connection_id, status, owner, created_at, updated_at, lost_call)
      SELECT 's' || i, 'crm', 'text', '49' || i, 'c', CASE WHEN i % 600 < 3 THEN 'unknown' ELSE 'accepted' END, 1, 0, 0,
        CASE WHEN i % 600 < 5 THEN 's' || i - i % 600 END
      FROM generate_series(0, ${ROWS - 1}) AS i`);
  }, 120_000);
  afterAll(() => database?.drop());
  const statements = { ...operatorMessageStatements(postgresDialect), ...callerCountStatements(postgresDialect) };

  const rows = (each: object[]) => JSON.stringify(each);
  const cases: [Name, Record<string, Value>, most: number][] = [
    ['find', { id: 's600' }, 5],
    ['past', { id: 's600' }, 5],
    ['findBroadcast', { id: 'b1' }, 5],
    ['findBroadcasts', { rows: rows([{ id: 'b1' }, { id: 'b2' }]) }, 20],
    ['listOpen', { limit: 100 }, 50],
    ['groupUnknown', { before: Number.MAX_SAFE_INTEGER, limit: 26 }, 700],
    ['findUnknown', { rows: rows([{ seq: 601 }, { seq: 1201 }]) }, 10],
    ['countUnknown', { rows: rows([{ seq: 601 }, { seq: 1201 }]) }, 30],
    ['today', { day: 20261130 }, 5],
    ['spent', { rows: rows([{ caller: 'crm' }]) }, 5],
  ];
  test.each(['before it knows its tables', 'after it has counted them'])('finds each by an index, %s', async (when) => {
    if (when.startsWith('after')) await db.query('ANALYZE');
    for (const [name, values, most] of cases) {
      const { numbered, names } = statements[name];
      const given = bindings({ statement: statements[name], values }, names, {});
      const over = name.endsWith('Unknown') ? lists : db;
      const [explained] = (await over.query<Row>(`EXPLAIN (ANALYZE, FORMAT JSON) ${numbered}`, given)).rows;
      const plans: unknown = explained?.['QUERY PLAN'];
      const looked = (Array.isArray(plans) ? plans : []).reduce((sum: number, { Plan }) => sum + lookedAt(Plan), 0);
      expect(looked, name).toBeLessThanOrEqual(most);
    }
  });
});
