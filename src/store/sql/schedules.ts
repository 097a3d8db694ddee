import type { ExpiredMessage, Expiry, ScheduleState, ScheduleStore } from '../schedule-store.ts';
import { OPEN } from './broadcast-statements.ts';
import { COUNTED_MAX } from './counted.ts';
import { type Dialect, type Engine, type Row, type Statement, statement, type Value } from './engine.ts';
import { integer, isKind, optional, required, toSqlJson, toSqlText } from './row-mapping.ts';
import { MAY_EXPIRE } from './schema.ts';

/** Selects the callers with scheduled messages, by one index lookup each. */
const CALLERS = `
  turns (caller) AS (
    SELECT MIN(caller) FROM sends WHERE status = 'scheduled'
    UNION ALL
    SELECT (SELECT MIN(sends.caller) FROM sends WHERE sends.status = 'scheduled' AND sends.caller > turns.caller)
    FROM turns WHERE turns.caller IS NOT NULL
  )`;

const LATE_BROADCASTS = `not_after IS NOT NULL AND ended_at IS NULL AND ${OPEN}`;

export function scheduleStatements(dialect: Dialect) {
  const { now, wallNow, among, ownerIsDead, leaseIsValid, skipLocked } = dialect;
  const until = (time: string) => `CAST(${time} AS BIGINT) - ${wallNow}`;
  const isLate = `not_after <= ${wallNow}`;
  const mayEnd = `(status = 'scheduled' OR owner = :me OR ${ownerIsDead})`;
  const end = `status = 'not_sent', ended_at = ${now}, failure_code = :code, failure_detail = :detail, verdict_json = :outcome,
    updated_at = :wall`;
  const endRows = (choice: string) => `
    WITH late AS MATERIALIZED (${choice} LIMIT :limit ${skipLocked})
    UPDATE sends SET ${end} WHERE seq IN (SELECT late_seq FROM late) RETURNING id, caller, kind, connection_id`;
  const dueOf = `sends.status = 'scheduled' AND sends.caller = given.caller AND sends.send_at <= ${wallNow}
    ORDER BY sends.send_at, sends.seq LIMIT :each ${skipLocked}`;
  return {
    state: statement(`
      WITH RECURSIVE ${CALLERS}
      SELECT 'due' AS what, caller, ${until("(SELECT MIN(sends.send_at) FROM sends WHERE sends.status = 'scheduled' AND sends.caller = turns.caller)")} AS in_ms
      FROM turns WHERE caller IS NOT NULL
      UNION ALL SELECT 'late', NULL, ${until(`(SELECT MIN(not_after) FROM sends WHERE ${MAY_EXPIRE})`)}
      UNION ALL SELECT 'broadcast', NULL, ${until("(SELECT MIN(send_at) FROM broadcasts WHERE status = 'scheduled')")}
      UNION ALL SELECT 'late', NULL,
        ${until(`(SELECT MIN(not_after) FROM broadcasts WHERE ${LATE_BROADCASTS})`)}`),
    startDue: statement(`
      WITH due AS MATERIALIZED
        (SELECT sends.seq AS due_seq FROM ${dialect.inputRows({ caller: 'TEXT' })} ${dialect.lateralJoin(dueOf)})
      UPDATE sends SET status = 'queued', owner = :me, updated_at = :wall
      WHERE seq IN (SELECT due_seq FROM due) AND status = 'scheduled' AND ${leaseIsValid} RETURNING seq`),
    countBroadcasts: statement(
      `SELECT COUNT(*) AS n FROM (SELECT 1 FROM broadcasts WHERE status = 'scheduled' LIMIT ${COUNTED_MAX}) AS counted`,
    ),
    startBroadcasts: statement(`
      UPDATE broadcasts SET status = 'running', updated_at = :wall
      WHERE status = 'scheduled' AND send_at <= ${wallNow} RETURNING seq`),
    expireSingles: statement(
      endRows(`SELECT seq AS late_seq FROM sends WHERE ${MAY_EXPIRE} AND ${isLate} AND ${mayEnd} ORDER BY not_after`),
    ),
    expireRecipients: statement(
      endRows(`
        SELECT seq AS late_seq FROM sends WHERE status = 'staged'
          AND broadcast_id ${among(`SELECT id FROM broadcasts WHERE ${LATE_BROADCASTS} AND ${isLate}`)}`),
    ),
    expire: statement(
      `UPDATE sends SET ${end} WHERE id = :id AND ${MAY_EXPIRE} AND ${isLate} AND ${mayEnd} RETURNING seq`,
    ),
  };
}

export function createScheduleStore(
  engine: Engine,
  dialect: Dialect,
  now: () => number = () => Date.now(),
): ScheduleStore {
  const sql = scheduleStatements(dialect);
  const change = async (wanted: Statement, values: Record<string, Value>): Promise<Row[]> => {
    const [rows = []] = await engine.write([{ statement: wanted, values: { ...values, wall: now() } }]);
    return rows;
  };
  return {
    wallNow: () => engine.wallNow(),

    scheduleState: async () => toState(await engine.read({ statement: sql.state, values: {} })),

    async startDue(callers, limit) {
      const asked = callers.slice(0, limit);
      if (asked.length === 0) return 0;
      const rows = JSON.stringify(asked.map((caller) => ({ caller })));
      return (await change(sql.startDue, { rows, each: Math.floor(limit / asked.length) })).length;
    },

    async countScheduledBroadcasts() {
      const [row] = await engine.read({ statement: sql.countBroadcasts, values: {} });
      return row === undefined ? 0 : integer(row, 'n');
    },

    startDueBroadcasts: async () => (await change(sql.startBroadcasts, {})).length,

    async expireLate(limit, how) {
      const singles = await change(sql.expireSingles, { limit, ...expiryValues(how) });
      const left = limit - singles.length;
      const recipients = left > 0 ? await change(sql.expireRecipients, { limit: left, ...expiryValues(how) }) : [];
      return [...singles, ...recipients].flatMap(toExpired);
    },

    expire: async (id, how) => (await change(sql.expire, { id, ...expiryValues(how) })).length > 0,
  };
}

const expiryValues = ({ failure, outcome }: Expiry): Record<string, Value> => ({
  code: toSqlText(failure.code),
  detail: toSqlText(failure.detail),
  outcome: toSqlJson(outcome),
});

function toState(rows: readonly Row[]): ScheduleState {
  const state: ScheduleState = { dueCallers: [], isBroadcastDue: false, mayBeLate: false };
  for (const row of rows) {
    if (row.in_ms === null) continue;
    const inMs = integer(row, 'in_ms');
    if (inMs > 0) state.nextInMs = Math.min(inMs, state.nextInMs ?? inMs);
    else if (row.what === 'late') state.mayBeLate = true;
    else if (row.what === 'broadcast') state.isBroadcastDue = true;
    else state.dueCallers.push(optional(row, 'caller') ?? '');
  }
  return state;
}

const toExpired = (row: Row): ExpiredMessage[] =>
  isKind(row.kind)
    ? [
        {
          id: required(row, 'id'),
          caller: required(row, 'caller'),
          kind: row.kind,
          connectionId: required(row, 'connection_id'),
        },
      ]
    : [];
