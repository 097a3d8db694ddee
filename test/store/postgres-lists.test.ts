import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MessageFilter } from '../../src/store/message-store.ts';
import { postgresDialect } from '../../src/store/postgres/engine.ts';
import { listSettings } from '../../src/store/postgres/pools.ts';
import { bindings, type Engine, type Row, type Step } from '../../src/store/sql/engine.ts';
import { readPage } from '../../src/store/sql/list-page.ts';
import { combinations } from './list-filters.ts';
import { createMigrated, type MigratedDatabase } from './migrated-database.ts';

const server = process.env.TEST_POSTGRES_URL;
const START = Date.parse('2026-03-01T00:00:00Z');
const ROWS = 60_000;
/** Maximum number of rows that a page visits: some thousand entries of each possible index, and the ends of the period. */
const BOUND = 40_000;

/** Returns the number of rows that a step of a plan returned or filtered out. */
function lookedAt(plan: Row): number {
  const children = Array.isArray(plan.Plans) ? plan.Plans : [];
  const own = Number(plan['Actual Rows']) + Number(plan['Rows Removed by Filter'] ?? 0);
  const scanned = String(plan['Node Type']).includes('Scan') ? own * Number(plan['Actual Loops']) : 0;
  return children.reduce((sum: number, child: Row) => sum + lookedAt(child), scanned);
}

describe.skipIf(server === undefined)('PostgreSQL: a list', () => {
  let database: MigratedDatabase;
  let db: pg.Client;
  beforeAll(async () => {
    database = await createMigrated(server, `lists_${process.pid}`);
    db = await database.connect(listSettings);
    await db.query('ALTER TABLE sends SET (autovacuum_enabled = off)');
    await db.query('ALTER TABLE deliveries SET (autovacuum_enabled = off)');
    await db.query(`INSERT INTO broadcasts (id, caller, template, name, connection_id, status, owner, created_at, updated_at, ended_at)
      VALUES ('big', 'crm', 't', 'n', 'c', 'cancelled', 1, ${START + ROWS * 1_000}, 0, 0)`);
    const row =
      'id, caller, kind, recipient, connection_id, status, owner, created_at, updated_at, broadcast_id, template, reference, idem_route, idem_key';
    await db.query(`INSERT INTO sends (${row})
      SELECT 's' || i, CASE WHEN i % 10 = 0 THEN 'shop' ELSE 'crm' END, 'text', CASE WHEN i % 3 = 0 THEN '49' || i ELSE '491' END,
        'c', CASE WHEN i % 100 = 1 THEN 'rejected' ELSE 'accepted' END, 1, ${START} + i * 1000::bigint, 0, NULL,
        CASE WHEN i < 500 THEN 'rare' WHEN i % 2 = 0 THEN 'order' END, CASE WHEN i % 2 = 0 THEN 'many' ELSE 'A-' || i END,
        'POST /v1/messages/text', 'k' || i
      FROM generate_series(0, ${ROWS - 1}) AS i`);
    await db.query(`INSERT INTO sends (${row})
      SELECT 'r' || i, 'crm', 'template', '49' || i, 'c', 'cancelled', 1, ${START + ROWS * 1_000}, 0, 'big', 'promo',
        CASE WHEN i % 5 = 0 THEN 'many' END, NULL, NULL
      FROM generate_series(0, ${ROWS - 1}) AS i`);
    await db.query(`INSERT INTO deliveries (send_seq, caller, broadcast_id, rank, replied_at, source, updated_at)
      SELECT seq, caller, broadcast_id, CASE WHEN seq % 50 = 3 THEN 2 ELSE 3 END, CASE WHEN seq % 70 = 9 THEN 1 END, 'webhook', 0
      FROM sends WHERE status = 'accepted' AND seq % 4 > 0`);
  }, 120_000);
  afterAll(() => database?.drop());

  let looked = 0;
  /** Pages of indexes and tables, also those of which no row was returned or filtered out. */
  let pages = 0;
  const engine: Pick<Engine, 'list'> = {
    list: async (step: Step) => {
      const { numbered, names } = step.statement;
      const values = bindings(step, names, {});
      const [explained] = (await db.query<Row>(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${numbered}`, values)).rows;
      const plans: unknown = explained?.['QUERY PLAN'];
      for (const { Plan } of Array.isArray(plans) ? plans : []) {
        looked += lookedAt(Plan);
        pages += Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks'];
      }
      return (await db.query<Row>(numbered, values)).rows;
    },
  };

  const at = (second: number) => new Date(START + second * 1_000).toISOString();
  // Every 97th combination: 97 is coprime to all numbers of choices.
  const filters = combinations({
    to: [undefined, '491', '1'],
    broadcastId: [undefined, 'big', 'none'],
    reference: [undefined, 'many', 'A-77'],
    template: [undefined, 'rare', 'promo'],
    status: [undefined, 'queued', 'accepted', 'rejected', 'cancelled'],
    delivery: [undefined, 'none', 'failed', 'replied'],
    since: [undefined, at(-1), at(ROWS / 2), at(ROWS), at(ROWS * 9)],
    until: [undefined, at(0), at(ROWS / 3), at(ROWS * 9)],
  }).filter((_, n) => n % 97 === 0);
  const exact: MessageFilter[] = [
    { id: 's7' },
    { idempotencyKey: 'k7' },
    { idempotencyKey: 'none', status: 'accepted' },
  ];

  test('reads no index beyond the range of a period', async () => {
    await db.query('VACUUM sends');
    pages = 0;
    const filter = { since: at(ROWS - 10), until: at(ROWS - 1) };
    await readPage({ engine, dialect: postgresDialect, clock: () => 0 }, { callers: ['crm'], filter }, { limit: 50 });
    expect(pages).toBeLessThan(250);
  });

  const states = ['with no statistics yet', 'with statistics'] as const;
  test.each(states)(
    'visits a bounded number of 120,000 rows, whatever the filter, %s',
    async (state) => {
      if (state === 'with statistics') await db.query('ANALYZE');
      for (const filter of [...filters, ...exact]) {
        looked = pages = 0;
        await readPage(
          { engine, dialect: postgresDialect, clock: () => 0 },
          { callers: ['crm'], filter },
          { limit: 50 },
        );
        expect(looked, JSON.stringify(filter)).toBeLessThan(BOUND);
      }
    },
    120_000,
  );
});
