import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresDialect } from '../../src/store/postgres/engine.ts';
import { listSettings } from '../../src/store/postgres/pools.ts';
import { bindings, type Row, type Statement, type Value } from '../../src/store/sql/engine.ts';
import { type EventStatements, eventStatements, SCANNED_MAX } from '../../src/store/sql/event-statements.ts';
import { sqliteDialect } from '../../src/store/sqlite/dialect.ts';
import { openDatabase } from '../../src/store/sqlite/file.ts';
import { createMigrated, type MigratedDatabase } from './migrated-database.ts';

const server = process.env.TEST_POSTGRES_URL;
const ROWS = 200_000;

describe('SQLite: the plan for events', () => {
  const db = openDatabase(':memory:');
  afterAll(() => db.close());
  const sql = eventStatements(sqliteDialect);
  const planOf = (statement: Statement): string[] =>
    db
      .prepare(`EXPLAIN QUERY PLAN ${statement.positional}`)
      .all(...statement.names.map(() => null))
      .map(({ detail }) => String(detail));

  test.each<[keyof EventStatements, string[]]>([
    [
      'page',
      [
        'events USING COVERING INDEX events_caller (caller=? AND seq>?)',
        'events USING INDEX events_caller (caller=? AND seq>? AND seq<?)',
      ],
    ],
    ['newOfAll', ['events USING COVERING INDEX events_caller (caller=? AND seq>?)']],
    ['find', ['events USING INDEX sqlite_autoindex_events_1 (id=?)']],
    [
      'before',
      [
        'events USING COVERING INDEX events_at (caller=? AND at>?)',
        'events USING COVERING INDEX events_caller (caller=? AND seq<?)',
      ],
    ],
    ['addFacts', ['events USING COVERING INDEX events_fact (fact=?)', 'sends USING INTEGER PRIMARY KEY']],
    ['insert', ['event_facts USING INTEGER PRIMARY KEY', 'events USING COVERING INDEX events_fact (fact=?)']],
    ['pending', ['sends USING INTEGER PRIMARY KEY', 'deliveries USING INTEGER PRIMARY KEY']],
    ['takeOut', ['event_facts USING INTEGER PRIMARY KEY']],
    ['listPerson', ['events USING COVERING INDEX events_contact (contact=?', 'events USING INTEGER PRIMARY KEY']],
    ['erasePerson', ['events USING COVERING INDEX events_contact (contact=?']],
    ['expire', ['events USING INTEGER PRIMARY KEY']],
  ])('of %s goes by an index', (name, indexes) => {
    const plan = planOf(sql[name]);
    for (const index of indexes)
      expect(plan.join('\n')).toContain(`SEARCH ${index}`.replace('SEARCH events_caller', 'INDEX events_caller'));
  });

  test.each(['page', 'newOfAll', 'find', 'before', 'addFacts', 'insert', 'advance', 'takeOut', 'positions'] as const)(
    'of %s walks over no table',
    (name) => {
      for (const step of planOf(sql[name])) expect(step).not.toMatch(/^SCAN (events|event_facts|sends|deliveries)\b/);
    },
  );
});

/** Returns the number of rows that a step of a plan returned or filtered out. */
function lookedAt(plan: Row): number {
  const children = Array.isArray(plan.Plans) ? plan.Plans : [];
  const rows = Number(plan['Actual Rows']) + Number(plan['Rows Removed by Filter'] ?? 0);
  const isScan = /(Index|Seq|Bitmap Heap|Tid).*Scan/.test(String(plan['Node Type']));
  // A condition only on the last column of an index reads the whole index.
  const isWalk = String(plan['Index Cond']).startsWith('(seq = ') && !String(plan['Index Name']).endsWith('_pkey');
  const own = isWalk ? ROWS : isScan ? rows * Number(plan['Actual Loops']) : 0;
  return children.reduce((sum: number, child: Row) => sum + lookedAt(child), own);
}

describe.skipIf(server === undefined)('PostgreSQL: of 200,000 events', () => {
  const sql = eventStatements(postgresDialect);
  let database: MigratedDatabase;
  let db: pg.Client;
  let lists: pg.Client;
  beforeAll(async () => {
    database = await createMigrated(server, `event_plans_${process.pid}`);
    [db, lists] = [await database.connect(), await database.connect(listSettings)];
    await db.query('ALTER TABLE events SET (autovacuum_enabled = off)');
    await db.query('ALTER TABLE event_facts SET (autovacuum_enabled = off)');
    // The planner takes a table for empty that was analyzed while all its rows were dead, however large it is.
    await db.query(`INSERT INTO event_facts (caller, connection_id, type, fact, at) VALUES ('', '', '', '', 0);
      DELETE FROM event_facts; ANALYZE event_facts`);
    await db.query(`INSERT INTO event_numbers VALUES (1, 'epoch', ${ROWS})`);
    await db.query("INSERT INTO event_subscriptions VALUES ('crm', 'message.received')");
    // One caller has nearly all of them, another nearly none.
    await db.query(`INSERT INTO events (seq, id, caller, connection_id, type, fact, contact, at, recorded_at, data)
      SELECT i, 'evt_' || i, CASE WHEN i % 1000 = 0 THEN 'shop' ELSE 'crm' END, 'c1',
        CASE WHEN i % 20000 = 7 THEN 'message.clicked' ELSE 'message.delivered' END, 'm:' || i || ':delivered', '49' || i % 50000, i, i,
        repeat('x', 300) FROM generate_series(1, ${ROWS}) AS i`);
    await db.query(`INSERT INTO event_facts (caller, connection_id, type, fact, at)
      SELECT 'crm', 'c1', 'message.received', 'in:' || i, i FROM generate_series(1, ${ROWS}) AS i`);
  }, 120_000);
  afterAll(() => database?.drop());

  const looked = async (statement: Statement, values: Record<string, Value>, client = db): Promise<number> => {
    await client.query('BEGIN');
    const given = bindings({ statement, values }, statement.names, {});
    const { rows } = await client.query<Row>(`EXPLAIN (ANALYZE, FORMAT JSON) ${statement.numbered}`, given);
    await client.query('ROLLBACK');
    const plans: unknown = rows[0]?.['QUERY PLAN'];
    return Array.isArray(plans) ? plans.reduce((sum: number, { Plan }) => sum + lookedAt(Plan), 0) : Number.NaN;
  };
  const rowsOf = (...rows: Record<string, Value>[]) => JSON.stringify(rows);
  const facts = Array.from({ length: 100 }, (_, n) => ({ seq: n + 1 }));
  const made = facts.map(({ seq }) => ({
    ...{ place: seq, fact_seq: seq, id: `new${seq}`, caller: 'crm', connection: 'c1', type: 't', fact: `in:${seq}` },
    ...{ contact: null, at: seq, data: '{}' },
  }));
  const added = made.map(({ fact, ...each }) => ({
    ...each,
    type: 'message.received',
    fact: `new:${fact}`,
    send_seq: 1,
    detail: null,
  }));
  const DAY = 24 * 60 * 60_000;

  test.each(['none of events, and of facts those of an empty table', 'as they are'] as const)(
    'each look sees a bounded number, with statistics: %s',
    async (state) => {
      if (state === 'as they are') await db.query('ANALYZE');
      const page = { limit: 101, every: 1, connection: null, rows: '[]' };
      const clicks = { ...page, every: 0, rows: rowsOf({ type: 'message.clicked' }), most: SCANNED_MAX };
      const seen: Record<string, number> = {};
      for (const caller of ['crm', 'shop', 'nobody']) {
        for (const after of [0, ROWS / 2, ROWS - 1, ROWS]) {
          const from = `${caller} from ${after}`;
          seen[`page of ${from}`] = await looked(sql.page, { ...page, caller, after, most: 101 }, lists);
          seen[`clicks of ${from}`] = await looked(sql.page, { ...clicks, caller, after }, lists);
          const streams = rowsOf({ caller }, { caller: 'x' }, { caller: 'shop' });
          seen[`new of ${from}`] = await looked(sql.newOfAll, { rows: streams, after, limit: 200 }, lists);
          seen[`before ${from}`] = await looked(sql.before, { caller, at: after }, lists);
        }
      }
      seen['one event'] = await looked(sql.find, { caller: 'crm', id: 'evt_5' });
      seen.positions = await looked(sql.positions, { caller: 'crm' });
      seen['pending facts'] = await looked(sql.pending, { limit: 256 });
      seen['taking out'] = await looked(sql.takeOut, { rows: rowsOf(...facts) });
      seen.recording = await looked(sql.insert, { rows: rowsOf(...made) });
      seen['adding facts'] = await looked(sql.addFacts, { rows: rowsOf(...added) });
      seen.numbers = await looked(sql.advance, {});
      seen['noting a purge'] = await looked(sql.notePurged, { eventRetentionMs: DAY, limit: 500 });
      await db.query(`INSERT INTO event_purges VALUES ('crm', 500) ON CONFLICT DO NOTHING`);
      seen.purge = await looked(sql.expire, { eventRetentionMs: DAY, limit: 500 });
      seen['a person'] = await looked(sql.listPerson, { rows: rowsOf({ contact: '4977' }), after: 0, limit: 500 });
      for (const [what, rows] of Object.entries(seen)) expect(rows, what).toBeLessThan(2 * SCANNED_MAX + 500);
    },
    60_000,
  );
});
