import { COUNTED_MAX } from './counted.ts';
import { type Dialect, type Statement, statement } from './engine.ts';

export interface DeliveryStatements {
  readonly list: Statement;
  readonly walk: Statement;
  readonly countWalk: Statement;
  readonly parkNamed: Statement;
  readonly failedBatch: Statement;
  readonly retryFailed: Statement;
  readonly countFailed: Statement;
}

export function deliveryStatements({ now, inputRows }: Dialect): DeliveryStatements {
  const wanted = (status: string): string => `(CAST(:status AS TEXT) IS NULL OR :status = ${status})`;
  const unwanted =
    'NOT EXISTS (SELECT 1 FROM webhook_parked AS also WHERE also.endpoint_id = :id AND also.event_seq = attempts.event_seq)';
  return {
    // The last attempt of each event that is not parked. A failed one is neither parked nor lost if all events fail.
    list: statement(`
      SELECT found.event_seq, found.status, found.tries, found.at, found.due_in, found.http_status, found.ms, found.error,
        events.id, events.type
      FROM (
        SELECT * FROM (
          SELECT event_seq, state AS status, tries, at, CASE state WHEN 'pending' THEN next_at - ${now} END AS due_in,
            last_status AS http_status, CAST(NULL AS INTEGER) AS ms, last_error AS error
          FROM webhook_parked WHERE endpoint_id = :id AND event_seq < :before AND ${wanted('state')}
          ORDER BY event_seq DESC LIMIT :limit) AS parked
        UNION ALL
        SELECT event_seq, outcome, CAST(NULL AS INTEGER), at, CAST(NULL AS BIGINT), http_status, ms, error
        FROM (
          SELECT event_seq, CASE WHEN error IS NULL THEN 'delivered' ELSE 'pending' END AS outcome, at, status AS http_status, ms, error
          FROM webhook_attempts AS attempts
          WHERE endpoint_id = :id AND event_seq < :before AND ${unwanted}
            AND n IN (SELECT MAX(n) FROM webhook_attempts WHERE endpoint_id = :id GROUP BY event_seq)) AS last
        WHERE ${wanted('outcome')}
      ) AS found JOIN events ON events.seq = found.event_seq
      ORDER BY found.event_seq DESC LIMIT :limit`),
    walk: statement(`
      UPDATE webhook_endpoints SET replay_request = replay_request + 1, replay_ahead = '[]',
        replay_position = CASE WHEN replay_position < CAST(:after AS BIGINT) THEN replay_position ELSE CAST(:after AS BIGINT) END,
        replay_until = CASE WHEN replay_until > CAST(:until AS BIGINT) THEN replay_until ELSE CAST(:until AS BIGINT) END
      WHERE caller = :caller AND id = :id AND status = 'enabled' RETURNING id`),
    countWalk: statement(`
      SELECT COUNT(*) AS walked, COUNT(CASE WHEN walked.type IN (SELECT given.type FROM ${inputRows({ type: 'TEXT' })}) THEN 1 END) AS queued
      FROM (
        SELECT type FROM events WHERE caller = :caller AND seq > :after AND seq <= :until ORDER BY seq LIMIT ${COUNTED_MAX}) AS walked`),
    parkNamed: statement(`
      INSERT INTO webhook_parked (endpoint_id, event_seq, state, tries, next_at)
      SELECT endpoint.id, events.seq, 'pending', 0, ${now}
      FROM ${inputRows({ event: 'TEXT', type: 'TEXT' })}
      JOIN events ON events.id = given.event AND events.type = given.type AND events.caller = :caller
      JOIN webhook_endpoints AS endpoint ON endpoint.id = :id AND endpoint.caller = :caller AND endpoint.status = 'enabled'
      WHERE TRUE
      ON CONFLICT (endpoint_id, event_seq) DO UPDATE SET state = 'pending', tries = 0, next_at = excluded.next_at
      RETURNING event_seq`),
    failedBatch: statement(`
      SELECT MAX(event_seq) AS batch_end, COUNT(*) AS n FROM (
        SELECT event_seq FROM webhook_parked WHERE endpoint_id = :id AND state = 'failed' AND event_seq > :after
        ORDER BY event_seq LIMIT :limit) AS batch`),
    retryFailed: statement(`
      UPDATE webhook_parked SET state = 'pending', tries = 0, next_at = ${now}
      WHERE endpoint_id = :id AND state = 'failed' AND event_seq > :after AND event_seq <= :until
        AND event_seq IN (SELECT events.seq FROM events JOIN ${inputRows({ type: 'TEXT' })} ON events.type = given.type
                          WHERE events.seq IN (SELECT failed.event_seq FROM webhook_parked AS failed
                                               WHERE failed.endpoint_id = :id AND failed.state = 'failed'
                                                 AND failed.event_seq > :after AND failed.event_seq <= :until))
      RETURNING event_seq`),
    countFailed: statement(`
      SELECT COUNT(*) AS n FROM (
        SELECT event_seq FROM webhook_parked WHERE endpoint_id = :id AND state = 'failed' LIMIT ${COUNTED_MAX}) AS failed`),
  };
}
