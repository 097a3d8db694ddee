import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rowSettings } from '../../src/store/postgres/pools.ts';
import { bindings, type Row, type Value } from '../../src/store/sql/engine.ts';
import { createMigrated, type MigratedDatabase } from './migrated-database.ts';
import { fillForPlans } from './postgres-plans-scene.ts';
import { type PlannedStatement, plannedStatements } from './postgres-plans-statements.ts';

const server = process.env.TEST_POSTGRES_URL;
/** By hand: PLAN_ROWS=2000000 npx vitest run test/store/postgres-plans.test.ts */
const ROWS = Number(process.env.PLAN_ROWS ?? 40_000);

/** Returns the number of rows that the scans of a plan returned or filtered out. */
function rowsOf(plan: Row): number {
  const children: Row[] = Array.isArray(plan.Plans) ? plan.Plans : [];
  const seen = Number(plan['Actual Rows']) + Number(plan['Rows Removed by Filter'] ?? 0);
  const isScan = 'Relation Name' in plan && String(plan['Node Type']).includes('Scan');
  return children.reduce((sum, child) => sum + rowsOf(child), isScan ? seen * Number(plan['Actual Loops']) : 0);
}

async function touched(
  client: pg.Client,
  { statement, values }: PlannedStatement,
): Promise<[rows: number, pages: number]> {
  await client.query('BEGIN');
  const given: Value[] = bindings({ statement, values }, statement.names, {});
  const { rows } = await client.query<Row>(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${statement.numbered}`, given);
  await client.query('ROLLBACK');
  const plans: unknown = rows[0]?.['QUERY PLAN'];
  const plan: Row = Array.isArray(plans) ? plans[0].Plan : {};
  return [rowsOf(plan), Number(plan['Shared Hit Blocks']) + Number(plan['Shared Read Blocks'])];
}

test.skipIf(server === undefined)(
  'PostgreSQL: a plan that is kept finds each row by an index, even if it was made before there were any',
  async () => {
    const database = await createMigrated(server, `empty_plans_${process.pid}`);
    const client = await database.connect(rowSettings);
    const far: string[] = [];
    for (const { name, statement } of plannedStatements(ROWS)
      .filter(({ settings }) => settings === rowSettings)
      .flatMap(({ statements }) => statements)) {
      await client.query(`PREPARE kept AS ${statement.numbered}`);
      const { rows } = await client.query<Row>(
        `EXPLAIN EXECUTE kept (${statement.names.map(() => 'NULL').join(', ')})`,
      );
      await client.query('DEALLOCATE kept');
      const plan = rows.map((row) => String(row['QUERY PLAN']));
      const walks = plan.filter(
        (line, at) => /(Seq|Index|Only|Heap) Scan .*on /.test(line) && !/Index Cond/.test(`${line}${plan[at + 1]}`),
      );
      if (walks.length > 0 || plan.some((line) => line.includes('hashed SubPlan')))
        far.push(`${name}:\n${plan.join('\n')}`);
    }
    await database.drop();
    expect(far).toEqual([]);
  },
);

describe.skipIf(server === undefined)(`PostgreSQL: of ${ROWS} records each statement touches a bounded number`, () => {
  describe.each(['nothing', 'half'])('while %s of them may be deleted', (expired) => {
    let database: MigratedDatabase;
    beforeAll(async () => {
      database = await createMigrated(server, `plans_${expired}_${process.pid}`);
      await fillForPlans(await database.connect('-c synchronous_commit=off'), ROWS, expired === 'half');
    }, 900_000);
    afterAll(() => database?.drop());

    test.each(['of a small database', 'of now'])(
      'with the statistics %s',
      async (statistics) => {
        if (statistics === 'of now') await (await database.connect()).query('ANALYZE');
        const far: string[] = [];
        for (const { settings, statements } of plannedStatements(ROWS)) {
          const client = await database.connect(settings);
          for (const each of statements) {
            const found = await touched(client, each).catch(async (error: unknown) => {
              await client.query('ROLLBACK');
              return String(error);
            });
            if (typeof found === 'string') far.push(`${each.name}: ${found}`);
            else if (Math.max(...found) > each.most) far.push(`${each.name}: ${found[0]} rows, ${found[1]} pages`);
          }
        }
        expect(far).toEqual([]);
      },
      900_000,
    );
  });
});
