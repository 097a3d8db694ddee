import { type Dialect, statement } from './engine.ts';
import { FIRST_LOOK_MS } from './look-times.ts';
import { COLUMNS } from './message-columns.ts';
import { endUnlessProved } from './proof.ts';

const QUEUE = 'caller, connection_id, owner';

/**
 * SQL for the first row after a position in the order of these columns. One subquery per column, because SQLite uses only the
 * first column of a row comparison and would scan everything that a caller has queued.
 */
export function firstAfter(rows: string, columns: readonly string[], place: (column: string) => string): string {
  const steps = columns.map((column, at) => {
    const same = columns.slice(0, at).map((before) => `AND later.${before} = ${place(before)}`);
    const order = [...columns.slice(at), 'seq'].map((each) => `later.${each}`);
    return `(SELECT later.seq FROM ${rows} ${same.join(' ')} AND later.${column} > ${place(column)}
      ORDER BY ${order.join(', ')} LIMIT 1)`;
  });
  return `COALESCE(${steps.reverse().join(', ')})`;
}

const queueAfter = (place: (column: string) => string): string =>
  firstAfter("sends AS later WHERE later.status = 'queued'", ['caller', 'connection_id', 'owner'], place);

/** Finds the first row of each queue with one index lookup per queue, however many messages are queued in it. */
const queues = (first: string, ownerIsDead: string): string => `
  WITH RECURSIVE firsts (first_seq) AS (
    SELECT (${first})
    UNION ALL
    SELECT ${queueAfter((column) => `here.${column}`)} FROM firsts JOIN sends AS here ON here.seq = firsts.first_seq
  )
  SELECT ${QUEUE}, CASE WHEN owner = :me THEN 'own' WHEN ${ownerIsDead} THEN 'orphaned' ELSE 'other' END AS ownership
  FROM (SELECT first_seq FROM firsts LIMIT :limit) AS page JOIN sends ON sends.seq = page.first_seq
  ORDER BY ${QUEUE}`;

export function queueStatements(dialect: Dialect) {
  const { ownerIsDead, leaseIsValid, skipLocked } = dialect;
  return {
    listQueues: statement(
      queues(`SELECT seq FROM sends WHERE status = 'queued' ORDER BY ${QUEUE}, seq LIMIT 1`, ownerIsDead),
    ),
    listQueuesAfter: statement(queues(`SELECT ${queueAfter((column) => `:${column}`)}`, ownerIsDead)),
    // Names the dead owner, so that the index leads to its oldest rows without visiting those of other owners.
    adoptOrphans: statement(`
      WITH orphans AS MATERIALIZED
        (SELECT seq AS orphan FROM sends
         WHERE status = 'queued' AND caller = :caller AND connection_id = :connection AND owner = :owner
           AND call_json IS NOT NULL AND ${ownerIsDead} AND ${leaseIsValid}
         ORDER BY seq LIMIT :limit ${skipLocked})
      UPDATE sends SET owner = :me WHERE seq IN (SELECT orphan FROM orphans) RETURNING seq`),
    listOwnQueued: statement(`
      SELECT ${COLUMNS} FROM sends
      WHERE status = 'queued' AND caller = :caller AND connection_id = :connection AND owner = :me
        AND call_json IS NOT NULL AND id NOT IN (SELECT given.id FROM ${dialect.inputRows({ id: 'TEXT' })})
      ORDER BY seq LIMIT :limit`),
    countQueued: statement(
      `SELECT COUNT(*) AS n FROM (SELECT 1 FROM sends WHERE status = 'queued' LIMIT :limit) AS counted`,
    ),
    countQueuedOf: statement(`
      SELECT COUNT(*) AS n FROM (SELECT 1 FROM sends WHERE status = 'queued' AND caller = :caller LIMIT :limit) AS counted`),
  };
}

export function recoveryStatements(dialect: Dialect) {
  const { now, skipLocked } = dialect;
  const becomesUnknown = endUnlessProved(
    {
      status: "'unknown'",
      code: "'owner-died'",
      detail: ':detail',
      verdict: 'verdict_json',
      call: 'call_json',
      endedAt: now,
      nextLookAt: `${now} + ${FIRST_LOOK_MS} + placed.place`,
      lostCall: "CASE WHEN broadcast_id IS NOT NULL THEN broadcast_id || ' ' || sent_at END",
    },
    now,
  );
  return {
    fence: dialect.fence.map(statement),
    markOrphansUnknown: statement(`
      WITH orphans AS MATERIALIZED
        (SELECT seq AS orphan, COALESCE(broadcast_id, id) AS shared, sent_at AS shared_at FROM sends
         WHERE status = 'sending' AND owner IN (${dialect.deadOwners('sending')}) ${skipLocked}),
      placed AS
        (SELECT orphan, ROW_NUMBER() OVER (PARTITION BY shared, shared_at ORDER BY orphan) - 1 AS place FROM orphans)
      UPDATE sends SET ${becomesUnknown}, looks = 0, look_place = placed.place, updated_at = :wall
      FROM placed WHERE sends.seq = placed.orphan RETURNING sends.seq, sends.status`),
    failOrphanStreams: statement(`
      WITH orphans AS MATERIALIZED
        (SELECT seq AS orphan FROM sends
         WHERE status = 'queued' AND call_json IS NULL AND owner IN (${dialect.deadOwners('streams')}) ${skipLocked})
      UPDATE sends SET status = 'not_sent', ended_at = ${now}, failure_code = 'stream-lost', failure_detail = :detail,
        updated_at = :wall
      WHERE seq IN (SELECT orphan FROM orphans) RETURNING seq`),
  };
}
