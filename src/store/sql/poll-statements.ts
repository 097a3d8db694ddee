import { type Dialect, type Statement, statement } from './engine.ts';

/** How long a process may take for a poll before it is returned to another one. */
const POLL_LEASE_MS = 5 * 60_000;
/** The most recently ended messages that are looked at. */
const VISITED_MAX = 5_000;
const OPEN_MAX = 100;
const CONNECTIONS_MAX = 100;
const DAY_MS = 24 * 60 * 60_000;

export interface PollStatements {
  readonly connections: Statement;
  readonly openRecipients: Statement;
  readonly openSends: Statement;
  readonly schedule: Statement;
  readonly hasDue: Statement;
  readonly due: Statement;
  readonly again: Statement;
  readonly over: Statement;
  readonly erase: Statement;
  readonly expirePolls: Statement;
  readonly spend: Statement;
  readonly load: Statement;
  readonly expireSpent: Statement;
  readonly count: Statement;
  readonly counted: Statement;
  readonly expireCalls: Statement;
  readonly watched: Statement;
  readonly watch: Statement;
  readonly expireWatch: Statement;
}

export function pollStatements(dialect: Dialect): PollStatements {
  return { ...candidates(dialect), ...schedule(dialect), ...costs(dialect), ...watching(dialect) };
}

const CAN_BE_TOLD = "status IN ('accepted', 'unknown')";
/** Neither read nor failed. */
const isOpen = (seq: string): string =>
  `NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.send_seq = ${seq} AND deliveries.rank IN (2, 4))`;

function candidates({ now }: Dialect) {
  const recent = (from: string, until: string): string => `
    (SELECT seq, recipient, connection_id, status, ended_at FROM sends
     WHERE ended_at IS NOT NULL AND ended_at BETWEEN ${now} - CAST(${from} AS BIGINT) AND ${now} - CAST(${until} AS BIGINT)
     ORDER BY ended_at DESC LIMIT ${VISITED_MAX}) AS recent`;
  return {
    connections: statement(`
      SELECT recent.connection_id, ${now} - MAX(watch.listened_at) AS listened,
        ${now} - MAX(COALESCE(watch.event_at, watch.since)) AS since_event,
        SUM(CASE WHEN recent.status = 'accepted' AND recent.ended_at > COALESCE(watch.event_at, watch.since)
          AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.send_seq = recent.seq AND deliveries.rank > 0)
          THEN 1 ELSE 0 END) AS silent
      FROM ${recent(String(DAY_MS), '0')}
      LEFT JOIN intake_watch AS watch ON watch.connection_id = recent.connection_id
      WHERE recent.${CAN_BE_TOLD} GROUP BY recent.connection_id`),
    openRecipients: statement(`
      SELECT recent.recipient, ${now} - MAX(recent.ended_at) AS age, MIN(tracking.next_at) - ${now} AS due_in
      FROM ${recent(':fromMs', ':untilMs')}
      LEFT JOIN tracking ON tracking.connection_id = :connection AND tracking.recipient = recent.recipient
      WHERE recent.connection_id = :connection AND recent.${CAN_BE_TOLD} AND recent.recipient IS NOT NULL
        AND ${isOpen('recent.seq')}
      GROUP BY recent.recipient ORDER BY MAX(recent.ended_at) DESC LIMIT :limit`),
    openSends: statement(`
      SELECT channel, ${now} - ended_at AS age
      FROM (SELECT seq, channel, status, ended_at FROM sends
            WHERE recipient = :recipient AND sent_at IS NOT NULL AND connection_id = :connection
            ORDER BY sent_at DESC LIMIT ${OPEN_MAX}) AS latest
      WHERE ${CAN_BE_TOLD} AND ended_at >= ${now} - CAST(:fromMs AS BIGINT) AND ${isOpen('latest.seq')}
      ORDER BY ended_at DESC`),
  };
}

function schedule({ now, skipLockedAny, inputRows }: Dialect) {
  const isDue = `next_at <= ${now} AND connection_id NOT IN (SELECT given.connection FROM ${inputRows({ connection: 'TEXT' })})`;
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
    // Polls that were due a day ago: their messages are too old by now.
    expirePolls: statement(`
      WITH old AS MATERIALIZED
        (SELECT connection_id, recipient FROM tracking WHERE next_at < ${now} - ${DAY_MS}
         ORDER BY next_at LIMIT :limit ${skipLockedAny})
      DELETE FROM tracking WHERE (connection_id, recipient) IN (SELECT connection_id, recipient FROM old) RETURNING next_at`),
  };
}

function costs({ inputRows }: Dialect) {
  return {
    spend: statement(`
      INSERT INTO poll_calls AS calls (connection_id, day, n) VALUES (:connection, :day, 1)
      ON CONFLICT (connection_id, day) DO UPDATE SET n = calls.n + 1 WHERE calls.n < :most RETURNING n`),
    load: statement(`
      SELECT (SELECT n FROM poll_calls WHERE connection_id = :connection AND day = :day) AS spent,
        (SELECT COUNT(*) FROM tracking WHERE connection_id = :connection) AS scheduled`),
    expireSpent: statement('DELETE FROM poll_calls WHERE day < :day - 1 RETURNING day'),
    count: statement(`
      INSERT INTO upstream_calls AS calls (connection_id, month, n)
      SELECT given.connection, :month, given.n FROM ${inputRows({ connection: 'TEXT', n: 'BIGINT' })}
      WHERE TRUE ORDER BY given.connection
      ON CONFLICT (connection_id, month) DO UPDATE SET n = calls.n + excluded.n`),
    counted: statement(
      `SELECT connection_id, n FROM upstream_calls WHERE month = :month ORDER BY n DESC, connection_id LIMIT ${CONNECTIONS_MAX}`,
    ),
    // Calls of past months are not used; a year of them is kept for operators who look at the table.
    expireCalls: statement('DELETE FROM upstream_calls WHERE month < :month - 100 RETURNING month'),
  };
}

function watching({ now, inputRows }: Dialect) {
  const given = inputRows({ connection: 'TEXT', received: 'INTEGER' });
  return {
    watched: statement(`
      SELECT connection_id, ${now} - listened_at AS ago, listened_wall FROM intake_watch
      WHERE connection_id IN (SELECT given.connection FROM ${given})`),
    watch: statement(`
      INSERT INTO intake_watch AS watch (connection_id, since, listened_at, listened_wall, event_at)
      SELECT given.connection, ${now}, ${now}, CAST(:wall AS BIGINT), CASE given.received WHEN 1 THEN ${now} END
      FROM ${given} WHERE TRUE ORDER BY given.connection
      ON CONFLICT (connection_id) DO UPDATE SET listened_at = excluded.listened_at,
        listened_wall = excluded.listened_wall, event_at = COALESCE(excluded.event_at, watch.event_at)`),
    // The token of the connection was removed long ago.
    expireWatch: statement(
      `DELETE FROM intake_watch WHERE listened_at < ${now} - ${30 * DAY_MS} RETURNING connection_id`,
    ),
  };
}
