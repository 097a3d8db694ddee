import { type Dialect, type Statement, statement } from './engine.ts';
import { broadcastIsIn } from './message-columns.ts';

interface PersonStatements {
  readonly count: Statement;
  readonly cancel: Statement;
  readonly erase: Statement;
}

const OF_PERSON = 'sends.caller = :caller AND sends.recipient = :to';

export function personStatements({ now, skipLocked }: Dialect): PersonStatements {
  const state = `CASE WHEN sends.status = 'scheduled' THEN 'queued' WHEN sends.status <> 'staged' THEN sends.status
    WHEN ${broadcastIsIn("'recording'")} THEN 'recording'
    WHEN ${broadcastIsIn("'running', 'paused', 'scheduled'")} THEN 'queued' ELSE 'cancelled' END`;
  return {
    count: statement(`
      SELECT state, COUNT(*) AS n FROM (SELECT ${state} AS state FROM sends WHERE ${OF_PERSON}) AS states
      GROUP BY state ORDER BY state`),

    // Without recipients of a broadcast that is recording, because it counts them when it is published.
    cancel: statement(`
      WITH waiting AS MATERIALIZED
        (SELECT seq AS waiting_seq FROM sends WHERE ${OF_PERSON} AND (sends.status IN ('queued', 'scheduled')
           OR (sends.status = 'staged' AND ${broadcastIsIn("'running', 'paused', 'scheduled', 'cancelled'")}))
         ORDER BY seq LIMIT :limit ${skipLocked})
      UPDATE sends SET status = 'cancelled', call_json = NULL, ended_at = ${now}, next_look_at = NULL,
        failure_code = 'cancelled', failure_detail = :detail, updated_at = :wall
      WHERE seq IN (SELECT waiting_seq FROM waiting) AND status IN ('queued', 'scheduled', 'staged') RETURNING seq`),

    erase: statement(`
      WITH ended AS MATERIALIZED
        (SELECT seq AS ended_seq FROM sends WHERE ${OF_PERSON} AND (sends.status NOT IN ('queued', 'scheduled', 'sending', 'staged')
           OR (sends.status = 'staged' AND ${broadcastIsIn("'discarded'")}))
         ORDER BY seq LIMIT :limit ${skipLocked})
      DELETE FROM sends WHERE seq IN (SELECT ended_seq FROM ended) RETURNING seq`),
  };
}
