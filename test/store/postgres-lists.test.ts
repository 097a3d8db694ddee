import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MessageFilter, MessageStatus } from '../../src/store/message-store.ts';
import { postgresDialect } from '../../src/store/postgres/engine.ts';
import { listSettings } from '../../src/store/postgres/pools.ts';
import { bindings, type Engine, type Row, type Step } from '../../src/store/sql/engine.ts';
import { readMessages } from '../../src/store/sql/list-page.ts';
import { createMigrated, type MigratedDatabase } from './migrated-database.ts';

const server = process.env.TEST_POSTGRES_URL;
const START = Date.parse('2026-03-01T00:00:00Z');
const ROWS = 60_000;
/** What a page looks at: the rows of each part twice, and the ends of the time that is asked for. */
const BOUND = 30_000;

/** Every row that a step of a plan gave on or left out. */
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
    await db.query(`INSERT INTO broadcasts (id, caller, template, name, connection_id, status, owner, created_at, updated_at, ended_at)
      VALUES ('big', 'crm', 't', 'n', 'c', 'cancelled', 1, ${START + ROWS * 1_000}, 0, 0)`);
    const row = 'id, caller, kind, recipient, connection_id, status, owner, created_at, updated_at, broadcast_id';
    await db.query(`INSERT INTO sends (${row})
      SELECT 's' || i, CASE WHEN i % 10 = 0 THEN 'shop' ELSE 'crm' END, 'text', CASE WHEN i % 3 = 0 THEN '49' || i ELSE '491' END,
        'c', CASE WHEN i % 100 = 1 THEN 'rejected' ELSE 'accepted' END, 1, ${START} + i * 1000::bigint, 0, NULL
      FROM generate_series(0, ${ROWS - 1}) AS i`);
    await db.query(`INSERT INTO sends (${row})
      SELECT 'r' || i, 'crm', 'template', '49' || i, 'c', 'cancelled', 1, ${START + ROWS * 1_000}, 0, 'big'
      FROM generate_series(0, ${ROWS - 1}) AS i`);
  }, 120_000);
  afterAll(() => database?.drop());

  let looked = 0;
  const engine: Pick<Engine, 'list'> = {
    list: async (step: Step) => {
      const { numbered, names } = step.statement;
      const values = bindings(step, names, {});
      const [explained] = (await db.query<Row>(`EXPLAIN (ANALYZE, FORMAT JSON) ${numbered}`, values)).rows;
      const plans: unknown = explained?.['QUERY PLAN'];
      for (const { Plan } of Array.isArray(plans) ? plans : []) looked += lookedAt(Plan);
      return (await db.query<Row>(numbered, values)).rows;
    },
  };

  const at = (second: number) => new Date(START + second * 1_000).toISOString();
  const filters: MessageFilter[] = [undefined, at(-1), at(ROWS / 2), at(ROWS), at(ROWS * 9)].flatMap((since) =>
    ([undefined, 'queued', 'accepted', 'rejected', 'cancelled'] as (MessageStatus | undefined)[]).flatMap((status) =>
      [undefined, '491', '1'].flatMap((to) =>
        [undefined, 'big', 'none'].map((broadcastId) => ({
          ...(since !== undefined && { since }),
          ...(status !== undefined && { status }),
          ...(to !== undefined && { to }),
          ...(broadcastId !== undefined && { broadcastId }),
        })),
      ),
    ),
  );

  const states = ['with no statistics yet', 'with statistics'] as const;
  test.each(states)(
    'visits a bounded number of 120,000 rows, whatever the filter, %s',
    async (state) => {
      if (state === 'with statistics') await db.query('ANALYZE');
      for (const filter of filters) {
        looked = 0;
        await readMessages({ engine, dialect: postgresDialect }, { caller: 'crm', filter }, { limit: 50 });
        expect(looked, JSON.stringify(filter)).toBeLessThan(BOUND);
      }
    },
    120_000,
  );
});
