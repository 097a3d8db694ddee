import type { PollStore } from '../poll-store.ts';
import type { Dialect, Engine } from './engine.ts';
import { type PollStatements, pollStatements } from './poll-statements.ts';
import { integer, required, toSqlText } from './row-mapping.ts';

/** Implements src/store/poll-store.ts, in SQL that both databases understand. */
export function pollOperations(engine: Engine, dialect: Dialect, now: () => number = () => Date.now()): PollStore {
  const sql = pollStatements(dialect);
  return { ...candidates(engine, sql), ...scheduling(engine, sql), ...counting(engine, sql, now) };
}

function candidates(
  engine: Engine,
  sql: PollStatements,
): Pick<PollStore, 'sendingConnections' | 'openRecipients' | 'openSends'> {
  return {
    async sendingConnections() {
      return (await engine.list({ statement: sql.connections, values: {} })).map((row) => ({
        connectionId: required(row, 'connection_id'),
        silentSends: integer(row, 'silent'),
        ...(row.listened !== null && { listenedMsAgo: integer(row, 'listened') }),
        ...(row.since_event !== null && { eventMsAgo: integer(row, 'since_event') }),
      }));
    },

    async openRecipients(connectionId, { fromMs, untilMs }, limit) {
      const values = { connection: connectionId, fromMs, untilMs, limit };
      return (await engine.list({ statement: sql.openRecipients, values })).map((row) => ({
        recipient: required(row, 'recipient'),
        endedMsAgo: integer(row, 'age'),
        ...(row.due_in !== null && { dueInMs: integer(row, 'due_in') }),
      }));
    },

    async openSends(connectionId, recipient, fromMs) {
      const values = { connection: connectionId, recipient: toSqlText(recipient), fromMs };
      return (await engine.read({ statement: sql.openSends, values })).map((row) => ({
        endedMsAgo: integer(row, 'age'),
        ...(typeof row.channel === 'string' && { channel: row.channel }),
      }));
    },
  };
}

function scheduling(engine: Engine, sql: PollStatements): Pick<PollStore, 'schedulePolls' | 'duePolls' | 'pollDone'> {
  return {
    async schedulePolls(polls) {
      // A statement may contain each row only once; the last entry counts.
      const rows = new Map(
        polls.map(({ connectionId, recipient, inMs }) => [
          JSON.stringify([connectionId, recipient]),
          { connection: connectionId, recipient: toSqlText(recipient), in_ms: inMs },
        ]),
      );
      if (rows.size === 0) return;
      await engine.write([{ statement: sql.schedule, values: { rows: JSON.stringify([...rows.values()]) } }]);
    },

    async duePolls(except, limit) {
      const values = { rows: JSON.stringify(except.map((connection) => ({ connection }))) };
      // Reads first, because usually nothing is due, and a read costs less than a write.
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
  };
}

function counting(
  engine: Engine,
  sql: PollStatements,
  now: () => number,
): Pick<PollStore, 'spendPoll' | 'pollLoad' | 'countCalls' | 'monthCalls'> {
  return {
    async spendPoll(connectionId, most) {
      if (most < 1) return false;
      const values = { connection: connectionId, day: dayOf(now()), most };
      const [spent = []] = await engine.write([{ statement: sql.spend, values }]);
      return spent.length > 0;
    },

    async pollLoad(connectionId) {
      const values = { connection: connectionId, day: dayOf(now()) };
      const [row] = await engine.read({ statement: sql.load, values });
      if (row === undefined) return { spent: 0, scheduled: 0 };
      return { spent: row.spent === null ? 0 : integer(row, 'spent'), scheduled: integer(row, 'scheduled') };
    },

    async countCalls(calls) {
      const sums = new Map<string, number>();
      for (const { connectionId, n } of calls) sums.set(connectionId, (sums.get(connectionId) ?? 0) + n);
      if (sums.size === 0) return;
      const rows = JSON.stringify([...sums].map(([connection, n]) => ({ connection, n })));
      await engine.write([{ statement: sql.count, values: { rows, month: monthOf(now()) } }]);
    },

    async monthCalls() {
      const rows = await engine.read({ statement: sql.counted, values: { month: monthOf(now()) } });
      return rows.map((row) => ({ connectionId: required(row, 'connection_id'), n: integer(row, 'n') }));
    },
  };
}

/** 202611 for November 2026, UTC. */
export function monthOf(wall: number): number {
  const date = new Date(wall);
  return date.getUTCFullYear() * 100 + date.getUTCMonth() + 1;
}

/** 20261130 for its 30th. */
export const dayOf = (wall: number): number => monthOf(wall) * 100 + new Date(wall).getUTCDate();
