import type { TrackingStore } from '../tracking-store.ts';
import { type Dialect, type Engine, type Statement, statement } from './engine.ts';
import { integer, required, toSqlText } from './row-mapping.ts';

/** How long whoever was handed a poll has for it. */
const POLL_LEASE_MS = 5 * 60_000;

type Operations = Pick<TrackingStore, 'schedulePolls' | 'duePolls' | 'pollDone' | 'countCalls' | 'monthCalls'>;

/** Of the operations of src/store/tracking-store.ts those that concern what is read, in SQL that both databases speak. */
export function pollOperations(engine: Engine, dialect: Dialect, now: () => number = () => Date.now()): Operations {
  const sql = pollStatements(dialect);
  const month = () => monthOf(now());
  return {
    async schedulePolls(polls) {
      // Each row once in a statement; the last word counts.
      const rows = new Map(
        polls.map(({ connectionId, recipient, inMs }) => [
          JSON.stringify([connectionId, recipient]),
          { connection: connectionId, recipient: toSqlText(recipient), in_ms: inMs },
        ]),
      );
      if (rows.size === 0) return;
      await engine.write([{ statement: sql.schedule, values: { rows: JSON.stringify([...rows.values()]) } }]);
    },

    async duePolls(connectionIds, limit) {
      if (connectionIds.length === 0) return [];
      const values = { rows: JSON.stringify(connectionIds.map((connection) => ({ connection }))) };
      // Mostly nothing is due, and a read finds that out at less cost than a write.
      if ((await engine.read({ statement: sql.hasDue, values })).length === 0) return [];
      const [due = []] = await engine.write([{ statement: sql.due, values: { ...values, limit } }]);
      return due.map((row) => ({
        connectionId: required(row, 'connection_id'),
        recipient: required(row, 'recipient'),
        looks: integer(row, 'looks'),
        lease: integer(row, 'next_at'),
      }));
    },

    async pollDone({ connectionId, recipient, lease }, inMs) {
      const values = { connection: connectionId, recipient: toSqlText(recipient), lease };
      const step =
        inMs === undefined ? { statement: sql.over, values } : { statement: sql.again, values: { ...values, inMs } };
      await engine.write([step]);
    },

    async countCalls(connectionId, n) {
      await engine.write([{ statement: sql.count, values: { connection: connectionId, month: month(), n } }]);
    },

    async monthCalls(connectionId) {
      const [row] = await engine.read({ statement: sql.counted, values: { connection: connectionId, month: month() } });
      return row === undefined ? 0 : integer(row, 'n');
    },
  };
}

/** 202611 for November 2026, UTC. */
export function monthOf(wall: number): number {
  const date = new Date(wall);
  return date.getUTCFullYear() * 100 + date.getUTCMonth() + 1;
}

export interface PollStatements {
  readonly schedule: Statement;
  readonly hasDue: Statement;
  readonly due: Statement;
  readonly again: Statement;
  readonly over: Statement;
  readonly erase: Statement;
  readonly count: Statement;
  readonly counted: Statement;
  readonly expireCalls: Statement;
}

export function pollStatements({ now, skipLockedAny, inputRows }: Dialect): PollStatements {
  const isDue = `next_at <= ${now} AND connection_id IN (SELECT given.connection FROM ${inputRows({ connection: 'TEXT' })})`;
  const leased = 'connection_id = :connection AND recipient = :recipient AND next_at = :lease';
  return {
    schedule: statement(`
      INSERT INTO tracking (connection_id, recipient, next_at)
      SELECT given.connection, given.recipient, ${now} + given.in_ms
      FROM ${inputRows({ connection: 'TEXT', recipient: 'TEXT', in_ms: 'BIGINT' })}
      WHERE TRUE ORDER BY given.connection, given.recipient
      ON CONFLICT (connection_id, recipient) DO UPDATE SET next_at = excluded.next_at, looks = 0`),
    hasDue: statement(`SELECT 1 AS one FROM tracking WHERE ${isDue} LIMIT 1`),
    due: statement(`
      WITH due AS MATERIALIZED
        (SELECT connection_id, recipient FROM tracking WHERE ${isDue} ORDER BY next_at LIMIT :limit ${skipLockedAny})
      UPDATE tracking SET next_at = ${now} + ${POLL_LEASE_MS}
      WHERE (connection_id, recipient) IN (SELECT connection_id, recipient FROM due)
      RETURNING connection_id, recipient, looks, next_at`),
    again: statement(`
      UPDATE tracking SET looks = looks + 1, next_at = ${now} + CAST(:inMs AS BIGINT) WHERE ${leased}`),
    over: statement(`DELETE FROM tracking WHERE ${leased}`),
    erase: statement(`
      DELETE FROM tracking WHERE recipient IN (SELECT given.recipient FROM ${inputRows({ recipient: 'TEXT' })})
      RETURNING recipient`),
    count: statement(`
      INSERT INTO upstream_calls AS calls (connection_id, month, n) VALUES (:connection, :month, :n)
      ON CONFLICT (connection_id, month) DO UPDATE SET n = calls.n + excluded.n`),
    counted: statement('SELECT n FROM upstream_calls WHERE connection_id = :connection AND month = :month'),
    // The last one but one is of no use to anybody.
    expireCalls: statement('DELETE FROM upstream_calls WHERE month < :month - 100 RETURNING month'),
  };
}
