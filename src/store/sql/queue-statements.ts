import { type Dialect, statement } from './engine.ts';
import { COLUMNS } from './message-columns.ts';

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
  const { ownerIsDead } = dialect;
  return {
    listQueues: statement(
      queues(`SELECT seq FROM sends WHERE status = 'queued' ORDER BY ${QUEUE}, seq LIMIT 1`, ownerIsDead),
    ),
    listQueuesAfter: statement(queues(`SELECT ${queueAfter((column) => `:${column}`)}`, ownerIsDead)),
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
