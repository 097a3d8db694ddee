import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresDialect } from '../../src/store/postgres/engine.ts';
import { rowSettings } from '../../src/store/postgres/pools.ts';
import { conversationStatements } from '../../src/store/sql/conversation-statements.ts';
import { intakeStatements } from '../../src/store/sql/intake-statements.ts';
import { trackingStatements } from '../../src/store/sql/tracking-statements.ts';
import { createMigrated, type MigratedDatabase } from './migrated-database.ts';

const server = process.env.TEST_POSTGRES_URL;

const { due, record, done, postpone } = intakeStatements(postgresDialect);
const { find, lockMessages, readBefore, recordProof, createDelivery, joinFacts } = trackingStatements(postgresDialect);
const { note, endProvisional } = conversationStatements(postgresDialect);
const statements = {
  due,
  record,
  done,
  postpone,
  find,
  lockMessages,
  readBefore,
  recordProof,
  createDelivery,
  joinFacts,
  note,
  endProvisional,
};

/** The planner takes the id columns for empty, as it does if the tables have grown since they were analyzed. */
describe.skipIf(server === undefined)('PostgreSQL: a plan that is made once for all webhooks', () => {
  let database: MigratedDatabase;
  let db: pg.Client;
  beforeAll(async () => {
    database = await createMigrated(server, `webhooks_${process.pid}`);
    db = await database.connect(rowSettings);
    for (const table of ['sends', 'deliveries', 'intake', 'conversations'])
      await db.query(`ALTER TABLE ${table} SET (autovacuum_enabled = off)`);
    const row = 'id, caller, kind, recipient, connection_id, status, owner, created_at, updated_at';
    await db.query(`INSERT INTO sends (${row})
      SELECT 's' || i, 'crm', 'text', '49' || i, 'c', 'accepted', 1, 0, 0 FROM generate_series(1, 500) AS i`);
    await db.query(`INSERT INTO deliveries (send_seq, caller, rank, source, updated_at)
      SELECT seq, 'crm', 0, 'webhook', 0 FROM sends`);
    await db.query(`INSERT INTO intake (key, connection_id, received_at, recorded_at, owner, state, next_at)
      SELECT 'k' || i, 'c', 0, 0, 1, 'done', 0 FROM generate_series(1, 500) AS i`);
    await db.query(`INSERT INTO conversations (connection_id, contact, told_at)
      SELECT 'c', '49' || i, 0 FROM generate_series(1, 500) AS i`);
    await db.query('ANALYZE');
  }, 120_000);
  afterAll(() => database?.drop());

  test.each(Object.entries(statements))('%s finds each row by an index', async (named, { numbered, names }) => {
    await db.query(`PREPARE ${named}_plan AS ${numbered}`);
    const values = names.length > 0 ? `(${names.map(() => 'NULL').join(', ')})` : '';
    const { rows } = await db.query<{ 'QUERY PLAN': string }>(`EXPLAIN EXECUTE ${named}_plan ${values}`);
    const plan = rows.map((line) => line['QUERY PLAN']);
    const table = /(Index|Seq|Only|Heap) Scan .*on (sends|deliveries|intake|conversations)\b/;
    for (const [at, line] of plan.entries()) {
      if (table.test(line)) expect(`${line}${plan[at + 1]}`, plan.join('\n')).toContain('Index Cond');
    }
  });
});
