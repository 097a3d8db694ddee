import type { AllBroadcastsFilter } from '../operator-store.ts';
import { goesOn, OPEN, VISIBLE, withCounters } from './broadcast-statements.ts';
import { type Dialect, type Statement, type Step, statement, type Value } from './engine.ts';

/** The condition of a partial index. */
const NOT_ACCEPTED = "sends.status <> 'accepted' AND sends.status <> 'staged'";

export interface OperatorStatements {
  readonly findStop: Statement;
  /** Steps of a stop, in this order, in one transaction. */
  readonly upsertStop: Statement;
  readonly deleteStopped: Statement;
  readonly insertStopped: Statement;
  readonly listCallers: Statement;
  readonly summarizeWork: Statement;
  readonly countOpenBroadcasts: Statement;
  readonly findCaller: Statement;
  readonly findCallersOfCall: Statement;
  readonly findAny: Statement;
  readonly changeStatus: Statement;
  readonly cancelQueued: Statement;
  readonly cancelBroadcasts: Statement;
}

/** The distinct callers of the rows that match a condition, with one index lookup each. */
const distinctCallers = (name: string, table: string, condition: string): string => `
  ${name} (caller) AS (
    SELECT MIN(caller) FROM ${table} WHERE caller > '' AND ${condition}
    UNION ALL
    SELECT (SELECT MIN(${table}.caller) FROM ${table} WHERE ${table}.caller > ${name}.caller AND ${condition})
    FROM ${name} WHERE ${name}.caller IS NOT NULL
  )`;

/** Ordered like the index, or PostgreSQL would collect all rows before it takes the first. */
const counted = (status: string): string => `
  (SELECT COUNT(*) FROM (SELECT 1 FROM sends
     WHERE sends.caller = given.caller AND sends.status = '${status}' AND ${NOT_ACCEPTED}
     ORDER BY sends.seq LIMIT :most) AS some_${status})`;

/** A range instead of an equality, for which PostgreSQL might scan all rows from the newest until one matches. */
const newestOf = (table: string): string => `${table}.caller >= given.caller AND ${table}.caller <= given.caller`;

export function operatorStatements(dialect: Dialect): OperatorStatements {
  const { now, skipLocked } = dialect;
  return {
    findStop: statement(`
      SELECT reason, changed_by, changed_at, scope, name
      FROM sending_stop LEFT JOIN sending_stopped ON TRUE`),
    // First, so that two concurrent stops are serialized.
    upsertStop: statement(`
      INSERT INTO sending_stop (id, reason, changed_by, changed_at) VALUES (1, :reason, :changedBy, :wall)
      ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, changed_by = excluded.changed_by,
        changed_at = excluded.changed_at`),
    deleteStopped: statement('DELETE FROM sending_stopped'),
    insertStopped: statement(`
      INSERT INTO sending_stopped (scope, name)
      SELECT DISTINCT given.scope, given.name FROM ${dialect.inputRows({ scope: 'TEXT', name: 'TEXT' })}`),

    listCallers: statement(`
      WITH RECURSIVE
        ${distinctCallers('of_singles', 'sends', 'sends.broadcast_id IS NULL')},
        ${distinctCallers('of_broadcasts', 'broadcasts', 'TRUE')}
      SELECT caller FROM of_singles WHERE caller IS NOT NULL
      UNION SELECT caller FROM of_broadcasts WHERE caller IS NOT NULL ORDER BY caller`),

    summarizeWork: statement(`
      SELECT given.caller, ${counted('queued')} AS queued, ${counted('scheduled')} AS scheduled,
        ${counted('sending')} AS sending,
        (SELECT COALESCE(SUM(tally.n), 0)
         FROM broadcasts JOIN broadcast_tallies AS tally ON tally.broadcast_id = broadcasts.id AND tally.status = 'staged'
         WHERE broadcasts.caller = given.caller AND broadcasts.status IN ('scheduled', 'running', 'paused')
           AND broadcasts.ended_at IS NULL) AS staged,
        (SELECT sends.created_at FROM sends WHERE ${newestOf('sends')} AND sends.broadcast_id IS NULL
         ORDER BY sends.caller DESC, sends.seq DESC LIMIT 1) AS last_single,
        (SELECT broadcasts.created_at FROM broadcasts WHERE ${newestOf('broadcasts')}
         ORDER BY broadcasts.caller DESC, broadcasts.seq DESC LIMIT 1) AS last_broadcast
      FROM ${dialect.inputRows({ caller: 'TEXT' })}`),

    countOpenBroadcasts: statement(`
      SELECT caller, connection_id, status, COUNT(*) AS n FROM broadcasts
      WHERE ${OPEN} AND ended_at IS NULL GROUP BY caller, connection_id, status`),

    findCaller: statement(`SELECT caller FROM broadcasts WHERE id = :id AND ${VISIBLE}`),
    // A call carries up to a thousand messages.
    findCallersOfCall: statement(
      'SELECT DISTINCT caller FROM sends WHERE lost_call = :lostCall AND lost_call IS NOT NULL',
    ),
    findAny: statement(withCounters(`id = :id AND ${VISIBLE}`)),
    changeStatus: statement(`
      UPDATE broadcasts SET status = CASE WHEN :to = 'running' THEN ${goesOn(dialect)} ELSE :to END, updated_at = :wall,
        pause_reason = NULL,
        paused_by = CASE WHEN :to = 'paused' THEN 'operator' END
      WHERE id = :id AND ended_at IS NULL AND ${OPEN}
      RETURNING seq`),

    // Staged recipients are cancelled with their broadcasts.
    cancelQueued: statement(`
      WITH waiting AS MATERIALIZED
        (SELECT seq AS waiting_seq FROM sends
         WHERE caller = :caller AND status = :status AND ${NOT_ACCEPTED} ORDER BY seq LIMIT :limit ${skipLocked})
      UPDATE sends SET status = 'cancelled', call_json = NULL, ended_at = ${now}, next_look_at = NULL,
        failure_code = 'cancelled', failure_detail = :detail, updated_at = :wall
      WHERE seq IN (SELECT waiting_seq FROM waiting) AND status = :status RETURNING seq`),
    cancelBroadcasts: statement(`
      UPDATE broadcasts SET status = 'cancelled', updated_at = :wall
      WHERE caller = :caller AND ${OPEN} AND ended_at IS NULL RETURNING seq`),
  };
}

/** A page of the broadcasts of all callers or of one. The statement is built for the given filters. */
export function listBroadcastsStep({ caller, status }: AllBroadcastsFilter, limit: number, before?: number): Step {
  const values: Record<string, Value> = { limit };
  const where: string[] = [];
  if (caller !== undefined) {
    where.push('caller = :caller');
    values.caller = caller;
  }
  if (status === undefined || status === 'recording') where.push(VISIBLE);
  if (status !== undefined) where.push('status = :status');
  if (status !== undefined) values.status = status;
  if (before !== undefined) {
    where.push('seq < :before');
    values.before = before;
  }
  return { statement: statement(withCounters(`${where.join(' AND ')} ORDER BY seq DESC LIMIT :limit`)), values };
}
