import type { CallerCount, CallerCountName, CallerCountStore } from '../caller-count-store.ts';
import { type Dialect, type Engine, statement } from './engine.ts';
import { leftInEach } from './quotas.ts';
import { integer, required } from './row-mapping.ts';

/** `day` is 20261130 for 30 November 2026. */
export const callerDaysTable = `
CREATE TABLE caller_days (
  day INTEGER NOT NULL,
  caller TEXT NOT NULL,
  name TEXT NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (day, caller, name)
)`;

/** A month, for operators who look at the table. */
const keptMs = 31 * 24 * 3_600_000;

const NAMES: Readonly<Record<CallerCountName, true>> = {
  accepted: true,
  rejected: true,
  notSent: true,
  unknown: true,
  refused429: true,
};

export function callerCountStatements({ inputRows, among }: Dialect) {
  return {
    // In a fixed order, so that two processes cannot deadlock.
    add: statement(`
      INSERT INTO caller_days AS counted (day, caller, name, n)
      SELECT :day, given.caller, given.name, given.n FROM ${inputRows({ caller: 'TEXT', name: 'TEXT', n: 'BIGINT' })}
      WHERE TRUE ORDER BY given.caller, given.name
      ON CONFLICT (day, caller, name) DO UPDATE SET n = counted.n + excluded.n`),
    today: statement('SELECT caller, name, n FROM caller_days WHERE day = :day'),
    spent: statement(`
      SELECT caller, hour, in_hour, day, in_day FROM caller_quotas
      WHERE caller ${among(`SELECT given.caller FROM ${inputRows({ caller: 'TEXT' })}`)}`),
    // Keeps a month, for operators who query the table.
    expire: statement('DELETE FROM caller_days WHERE day < :oldest'),
  };
}

export function createCallerCountStore(
  engine: Engine,
  dialect: Dialect,
  now: () => number = () => Date.now(),
): CallerCountStore {
  const sql = callerCountStatements(dialect);
  const dayOf = (wall: number) => Number(new Date(wall).toISOString().slice(0, 10).replaceAll('-', ''));
  return {
    async addCallerCounts(counts) {
      if (counts.length === 0) return;
      const wall = now();
      await engine.write([
        { statement: sql.add, values: { day: dayOf(wall), rows: JSON.stringify(counts) } },
        { statement: sql.expire, values: { oldest: dayOf(wall - keptMs) } },
      ]);
    },

    async callerCountsToday() {
      const rows = await engine.read({ statement: sql.today, values: { day: dayOf(now()) } });
      return rows.flatMap((row): CallerCount[] => {
        const name = required(row, 'name');
        // A newer version may have further counts.
        return isName(name) ? [{ caller: required(row, 'caller'), name, n: integer(row, 'n') }] : [];
      });
    },

    async quotasLeft(limits) {
      if (limits.size === 0) return new Map();
      const rows = JSON.stringify([...limits.keys()].map((caller) => ({ caller })));
      const spent = await engine.read({ statement: sql.spent, values: { rows } });
      const byCaller = new Map(spent.map((row) => [required(row, 'caller'), row]));
      return new Map([...limits].map(([caller, each]) => [caller, leftInEach(byCaller.get(caller), each, now())]));
    },
  };
}

const isName = (name: string): name is CallerCountName => Object.hasOwn(NAMES, name);
