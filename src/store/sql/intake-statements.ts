import { COUNTED_MAX } from './counted.ts';
import { type Dialect, type Statement, statement } from './engine.ts';
import { WAITING } from './tracking-schema.ts';

/** Retention of entries that were set aside, so that a later version may understand them. */
const FAILED_KEPT_MS = 7 * 24 * 60 * 60_000;

export interface IntakeStatements {
  readonly record: Statement;
  readonly due: Statement;
  readonly hasLost: Statement;
  readonly adopt: Statement;
  readonly postpone: Statement;
  readonly fail: Statement;
  readonly done: Statement;
  readonly retry: Statement;
  readonly state: Statement;
  readonly expire: Statement;
  readonly countPerson: Statement;
  readonly listPerson: Statement;
  readonly erasePerson: Statement;
}

export function intakeStatements({ now, skipLockedAny, deadOwners, inputRows }: Dialect): IntakeStatements {
  const these = `intake.seq IN (SELECT given.seq FROM ${inputRows({ seq: 'BIGINT' })})`;
  const lost = `${WAITING} AND next_at <= ${now} AND owner IN (${deadOwners('intake')})`;
  // Searches the bodies for the person; applied rows have none.
  const ofPerson = `state <> 'done' AND EXISTS
    (SELECT 1 FROM ${inputRows({ pattern: 'TEXT' })} WHERE intake.body LIKE given.pattern ESCAPE '!')`;
  // The first entry of an owner, by the index, instead of all that wait.
  const firstDue = `(SELECT MIN(intake.next_at) FROM intake WHERE ${WAITING} AND intake.owner = owners.owner)`;
  return {
    // In the order of the keys, so that two processes lock rows in the same order.
    record: statement(`
      INSERT INTO intake (key, connection_id, received_at, recorded_at, next_at, owner, state, body)
      SELECT given.key, given.connection, given.received, ${now}, ${now}, :me, 'new', given.body
      FROM ${inputRows({ key: 'TEXT', connection: 'TEXT', received: 'BIGINT', body: 'TEXT' })}
      WHERE TRUE ORDER BY given.key
      ON CONFLICT (key) DO NOTHING RETURNING key`),
    due: statement(`
      SELECT seq, key, connection_id, received_at, body, tries, ${now} - recorded_at AS age FROM intake
      WHERE ${WAITING} AND owner = :me AND next_at <= ${now} ORDER BY next_at, seq LIMIT :limit`),
    hasLost: statement(`SELECT 1 AS one FROM intake WHERE ${lost} LIMIT 1`),
    // In the order of the index, owner by owner: any other order would have to read all rows.
    adopt: statement(`
      WITH orphans AS MATERIALIZED (SELECT seq AS orphan FROM intake WHERE ${lost} LIMIT :limit ${skipLockedAny})
      UPDATE intake SET owner = :me WHERE seq IN (SELECT orphan FROM orphans) RETURNING seq`),
    // COALESCE keeps the planner on the index of numbers: it may expect few waiting rows, and would scan all of them.
    postpone: statement(`
      UPDATE intake SET state = 'waiting', tries = tries + 1, next_at = recorded_at + given.in_ms
      FROM ${inputRows({ seq: 'BIGINT', in_ms: 'BIGINT' })}
      WHERE intake.seq = given.seq AND COALESCE(${WAITING}, FALSE)`),
    fail: statement(`UPDATE intake SET state = 'failed' WHERE ${these} AND COALESCE(${WAITING}, FALSE)`),
    done: statement(`UPDATE intake SET state = 'done', body = NULL WHERE ${these}`),
    // Goes on behind the last one, because the service may set one aside again meanwhile.
    retry: statement(`
      WITH again AS MATERIALIZED
        (SELECT seq AS again_seq FROM intake
         WHERE state = 'failed' AND recorded_at >= :at AND (recorded_at > :at OR seq > :after)
         ORDER BY recorded_at, seq LIMIT :limit)
      UPDATE intake SET state = 'new', tries = 0, next_at = ${now}, owner = :me
      WHERE state = 'failed' AND seq IN (SELECT again_seq FROM again) RETURNING seq, recorded_at`),
    state: statement(`
      WITH RECURSIVE owners (owner) AS (
        SELECT MIN(owner) FROM intake WHERE ${WAITING}
        UNION ALL
        SELECT (SELECT MIN(later.owner) FROM intake AS later WHERE ${WAITING} AND later.owner > owners.owner)
        FROM owners WHERE owners.owner IS NOT NULL
      )
      SELECT
        (SELECT COUNT(*) FROM (SELECT 1 FROM intake WHERE ${WAITING} AND next_at <= ${now} LIMIT ${COUNTED_MAX}) AS counted) AS waiting,
        (SELECT ${now} - MIN(oldest.next_at) FROM (SELECT ${firstDue} AS next_at FROM owners) AS oldest
         WHERE oldest.next_at <= ${now}) AS oldest,
        (SELECT COUNT(*) FROM (SELECT 1 FROM intake WHERE state = 'failed' LIMIT ${COUNTED_MAX}) AS aside) AS failed`),
    // Failed entries are kept longer, and stand at the beginning of this index until then.
    expire: statement(`
      WITH old AS MATERIALIZED
        (SELECT seq AS old_seq FROM intake
         WHERE recorded_at <= ${now} - CAST(:dedupeMs AS BIGINT)
           AND (state = 'done' OR (state = 'failed' AND recorded_at <= ${now} - ${FAILED_KEPT_MS}))
         ORDER BY recorded_at LIMIT :limit ${skipLockedAny})
      DELETE FROM intake WHERE seq IN (SELECT old_seq FROM old) RETURNING seq`),
    countPerson: statement(`SELECT COUNT(*) AS n FROM intake WHERE ${ofPerson}`),
    listPerson: statement(`SELECT connection_id, received_at, body FROM intake WHERE ${ofPerson} ORDER BY seq`),
    // The key is kept, so that a repeat is not recorded again.
    erasePerson: statement(`UPDATE intake SET state = 'done', body = NULL WHERE ${ofPerson} RETURNING seq`),
  };
}
