import { COUNTED_MAX } from './counted.ts';
import { type Dialect, statement } from './engine.ts';
import { deleteDiscardedResends } from './lifecycle-statements.ts';
import { COLUMNS } from './message-columns.ts';
import { firstAfter } from './queue-statements.ts';
import { wasCharged } from './quotas.ts';

const BROADCAST = `seq, id, caller, template, name, connection_id, idem_route, idem_key, content_mac, fingerprint, status, total,
  channel, paused_by, pause_reason, created_at, updated_at, finished_at, send_at, not_after, reference, per_minute,
  resend_of, left_out`;

/** One row per counter, at least one. Read in one statement, so that total and counters agree. */
export const withCounters = (choice: string): string => `
  SELECT chosen.*, tally.status AS tally_status, tally.n AS tally_n, tally.moved_at AS tally_moved_at
  FROM (SELECT ${BROADCAST} FROM broadcasts WHERE ${choice}) AS chosen
    LEFT JOIN broadcast_tallies AS tally ON tally.broadcast_id = chosen.id
  ORDER BY chosen.seq DESC`;

export const VISIBLE =
  "(status IN ('scheduled', 'running', 'paused', 'cancelled', 'done') OR (status = 'recording' AND shown_early = 1))";

/** States in which an operator or the caller can still stop a broadcast. */
export const OPEN = "status IN ('scheduled', 'running', 'paused')";

/** The status of a resumed broadcast: `scheduled` before its `send_at`, otherwise `running`. */
export const goesOn = ({ wallNow }: Pick<Dialect, 'wallNow'>): string =>
  `CASE WHEN send_at > ${wallNow} THEN 'scheduled' ELSE 'running' END`;

const RUNNING = "status = 'running' AND ended_at IS NULL";

const running = (ofQueue: string): string => `
  SELECT id, caller, connection_id, template, name, channel, per_minute FROM broadcasts
  WHERE ${RUNNING} ${ofQueue} AND EXISTS
    (SELECT 1 FROM broadcast_tallies AS tally WHERE tally.broadcast_id = id AND tally.status = 'staged' AND tally.n > 0)
  ORDER BY seq LIMIT :limit`;

const OWN_RECORDING = "id = :id AND status = 'recording' AND owner = :me";

/**
 * `opened` has one row at most, so without further conditions the rows come in the order of the array. Their sequence numbers are the
 * order of sending.
 */
const insertRecipients = ({ inputRows }: Dialect): string => `
  INSERT INTO sends (id, caller, kind, recipient, connection_id, template, local_message_id, broadcast_id,
    status, owner, created_at, updated_at, call_json, channel, channel_attempt, reference, resend_of, send_at,
    not_after)
  SELECT given.id, opened.caller, :kind, given.recipient, :connection, :template, given.local_id,
    opened.id, 'staged', :me, opened.created_at, opened.created_at, given.call, :channel,
    CAST(:channelAttempt AS INTEGER), given.reference, given.resend_of, opened.send_at, opened.not_after
  FROM (SELECT id, caller, created_at, send_at, not_after FROM broadcasts WHERE ${OWN_RECORDING}) AS opened CROSS JOIN ${inputRows(
    {
      place: 'INTEGER',
      id: 'TEXT',
      recipient: 'TEXT',
      local_id: 'TEXT',
      call: 'TEXT',
      reference: 'TEXT',
      resend_of: 'TEXT',
    },
  )}`;

export function broadcastRecordingStatements(dialect: Dialect) {
  const publish = `
      UPDATE broadcasts SET status = ${goesOn(dialect)}, content_mac = :contentMac, fingerprint = :fingerprint,
        updated_at = :wall, left_out = :leftOut
      WHERE ${OWN_RECORDING}`;
  return {
    open: statement(`
      INSERT INTO broadcasts
        (id, caller, template, name, connection_id, idem_route, idem_key, status, owner, created_at, updated_at, channel,
         send_at, not_after, reference, per_minute, resend_of, shown_early)
      VALUES (:id, :caller, :template, :name, :connectionId, :route, :key, 'recording', :me, :wall, :wall, :channel,
        :sendAt, :notAfter, :reference, :perMinute, :resendOf, :shownEarly)
      ON CONFLICT DO NOTHING RETURNING seq`),
    // Locks the broadcast for the rest of the transaction.
    incrementTotal: statement(
      `UPDATE broadcasts SET total = total + :n, updated_at = :wall WHERE ${OWN_RECORDING} RETURNING seq`,
    ),
    addRecipients: statement(insertRecipients(dialect)),
    // The left-over rows of a resend whose recording failed would conflict with the index of resends until the sweep has got to them.
    deleteDiscarded: deleteDiscardedResends(dialect),
    // A message can be resent once: a second resend of it, by another request, conflicts with the unique index and is skipped.
    addResends: statement(`${insertRecipients(dialect)}
      WHERE EXISTS (SELECT 1 FROM sends WHERE id = given.resend_of AND status IN ('not_sent', 'rejected', 'unknown'))
      ORDER BY given.place ON CONFLICT DO NOTHING RETURNING seq`),
    countAdded: statement(`
      UPDATE broadcasts SET total = total +
        (SELECT COUNT(*) FROM ${dialect.inputRows({ id: 'TEXT' })} JOIN sends ON sends.id = given.id)
      WHERE ${OWN_RECORDING}`),
    publish: statement(`${publish} RETURNING seq`),
    publishCharged: statement(`${publish} AND ${wasCharged('broadcasts.caller')} RETURNING seq`),
    // Inserts no counter if the publication did not happen.
    insertCounter: statement(`
      INSERT INTO broadcast_tallies (broadcast_id, status, n)
      SELECT id, 'staged', total FROM broadcasts WHERE id = :id AND status IN ('running', 'scheduled')
      ON CONFLICT DO NOTHING`),
    findPublished: statement(withCounters('id = :id')),
  };
}

export function broadcastDiscardStatements({ now }: Dialect) {
  return {
    insertTombstone: statement(`
      INSERT INTO broadcasts
        (id, caller, template, name, connection_id, status, owner, created_at, updated_at, ended_at)
      VALUES (:id, '', '', '', '', 'discarded', :me, :wall, :wall, ${now})
      ON CONFLICT (id) DO NOTHING`),
    discard: statement(`
      UPDATE broadcasts SET status = 'discarded', idem_route = NULL, idem_key = NULL WHERE ${OWN_RECORDING} RETURNING seq`),
    findByKey: statement(withCounters('caller = :caller AND idem_route = :route AND idem_key = :key')),
  };
}

export const broadcastReads = {
  find: statement(withCounters(`id = :id AND caller = :caller AND ${VISIBLE}`)),
  countRejections: statement('SELECT reason, n FROM broadcast_reasons WHERE broadcast_id = :id AND n > 0'),
  list: statement(withCounters(`caller = :caller AND ${VISIBLE} ORDER BY seq DESC LIMIT :limit`)),
  listAfter: statement(
    withCounters(`caller = :caller AND ${VISIBLE} AND seq < :before ORDER BY seq DESC LIMIT :limit`),
  ),
  countPausedByService: statement(`
    SELECT COUNT(*) AS n FROM
      (SELECT 1 FROM broadcasts WHERE status = 'paused' AND paused_by = 'service' AND ended_at IS NULL LIMIT ${COUNTED_MAX}) AS counted`),
  // One index lookup per queue.
  listRunningQueues: statement(`
    WITH RECURSIVE firsts (first_seq) AS (
      SELECT (SELECT seq FROM broadcasts WHERE ${RUNNING} ORDER BY caller, connection_id, seq LIMIT 1)
      UNION ALL
      SELECT ${firstAfter("broadcasts AS later WHERE later.status = 'running' AND later.ended_at IS NULL", ['caller', 'connection_id'], (column) => `here.${column}`)}
      FROM firsts JOIN broadcasts AS here ON here.seq = firsts.first_seq
    )
    SELECT caller, connection_id FROM firsts JOIN broadcasts ON broadcasts.seq = firsts.first_seq`),
  listRunningOf: statement(running('AND caller = :caller AND connection_id = :connection')),
  listRunning: statement(running('')),
};

/** A worker that is late by less than this catches up, so that short delays do not add up. */
const CAUGHT_UP_MS = 1_000;

export function broadcastProgressStatements(dialect: Dialect) {
  const { now, leaseIsValid, shareLock, skipLocked, wallNow } = dialect;
  const gap = 'CAST(:n AS BIGINT) * 60000 / per_minute';
  return {
    // After a crash SQLite's clock may be behind, so a time that is further ahead than the gap counts as passed.
    takePace: statement(`
      UPDATE broadcasts SET paced_until = ${gap} + CASE
        WHEN paced_until BETWEEN ${now} - ${CAUGHT_UP_MS} AND ${now} THEN paced_until ELSE ${now} END
      WHERE id = :id AND status = 'running' AND per_minute IS NOT NULL
        AND (paced_until <= ${now} OR paced_until > ${now} + ${gap}) RETURNING seq`),
    paceLeft: statement(`
      SELECT paced_until - ${now} AS wait_ms FROM broadcasts
      WHERE id = :id AND status = 'running' AND per_minute IS NOT NULL`),
    changeStatus: statement(`
      UPDATE broadcasts SET status = CASE WHEN :to = 'running' THEN ${goesOn(dialect)} ELSE :to END, updated_at = :wall,
        paused_by = CASE WHEN :to = 'paused' THEN CAST(:by AS TEXT) END,
        pause_reason = CASE WHEN :to = 'paused' THEN CAST(:reason AS TEXT) END
      WHERE id = :id AND caller = :caller AND ended_at IS NULL
        AND ((status IN ('running', 'scheduled') AND :to IN ('paused', 'cancelled'))
          OR (status = 'paused' AND :to = 'cancelled')
          OR (status = 'paused' AND :to = 'running' AND (:by = 'operator' OR COALESCE(paused_by, 'caller') <> 'operator'))
          OR (status = 'paused' AND :to = 'paused' AND :by = 'operator'))
      RETURNING seq`),
    // The share lock serializes claims with status changes: each waits for the other, and then checks the status again.
    claimBatch: statement(`
      WITH locked AS MATERIALIZED
        (SELECT id AS locked_id FROM broadcasts WHERE id = :id AND status = 'running'
           AND (not_after IS NULL OR not_after > ${wallNow}) AND ${leaseIsValid} ${shareLock}),
      oldest AS MATERIALIZED
        (SELECT seq AS oldest_seq FROM sends WHERE broadcast_id = (SELECT locked_id FROM locked) AND status = 'staged'
         ORDER BY seq LIMIT :limit ${skipLocked})
      UPDATE sends SET status = 'sending', owner = :me, attempts = attempts + 1, sent_at = :wall, updated_at = :wall,
        channel_attempt = CASE WHEN channel_attempt IS NOT NULL THEN attempts + 1 END
      WHERE seq IN (SELECT oldest_seq FROM oldest) RETURNING ${COLUMNS}`),
    listClaimed: statement(`
      SELECT id, attempts FROM sends
      WHERE status = 'sending' AND broadcast_id = :id AND owner = :me ORDER BY seq`),
  };
}

/** `sweeps` run in this order, because each prepares rows for the next; `finish` is the last of them. */
export function broadcastSweepStatements(dialect: Dialect) {
  const { now, among, skipLocked, skipLockedBroadcasts, recorderIsGone } = dialect;
  // `among`, because PostgreSQL might read all staged recipients to find that none is of such a broadcast.
  const stagedOf = (status: string): string => `
    WITH left_over AS MATERIALIZED
      (SELECT seq AS left_seq FROM sends WHERE status = 'staged'
         AND broadcast_id ${among(`SELECT id FROM broadcasts WHERE status = '${status}' AND ended_at IS NULL`)}
       LIMIT :limit ${skipLocked})`;
  const finish = statement(`WITH finished AS MATERIALIZED
         (SELECT seq AS left_seq FROM broadcasts
          WHERE status IN ('running', 'paused', 'scheduled', 'cancelled') AND ended_at IS NULL AND NOT EXISTS
            (SELECT 1 FROM broadcast_tallies AS tally
             WHERE tally.broadcast_id = id AND tally.status IN ('staged', 'sending') AND tally.n > 0)
          LIMIT :limit ${skipLockedBroadcasts})
       UPDATE broadcasts SET status = CASE status WHEN 'cancelled' THEN status ELSE 'done' END,
         finished_at = :wall, updated_at = :wall, ended_at = ${now}
       WHERE seq IN (SELECT left_seq FROM finished) RETURNING seq, id, caller`);
  return {
    finish,
    // All of the sweeps concern such broadcasts.
    hasOpen: statement('SELECT 1 AS one FROM broadcasts WHERE ended_at IS NULL LIMIT 1'),
    sweeps: [
      `WITH deserted AS MATERIALIZED
         (SELECT seq AS left_seq FROM broadcasts
          WHERE status = 'recording' AND ended_at IS NULL AND ${recorderIsGone} LIMIT :limit ${skipLockedBroadcasts})
       UPDATE broadcasts SET status = 'discarded', idem_route = NULL, idem_key = NULL
       WHERE seq IN (SELECT left_seq FROM deserted) RETURNING seq`,
      `${stagedOf('discarded')} DELETE FROM sends WHERE seq IN (SELECT left_seq FROM left_over) RETURNING seq`,
      `WITH emptied AS MATERIALIZED
         (SELECT seq AS left_seq FROM broadcasts WHERE status = 'discarded' AND ended_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM sends WHERE broadcast_id = broadcasts.id AND sends.status = 'staged')
          LIMIT :limit ${skipLockedBroadcasts})
       DELETE FROM broadcasts WHERE seq IN (SELECT left_seq FROM emptied) RETURNING seq`,
      `${stagedOf('cancelled')}
       UPDATE sends SET status = 'cancelled', call_json = NULL, ended_at = ${now}, updated_at = :wall
       WHERE seq IN (SELECT left_seq FROM left_over) RETURNING seq`,
    ]
      .map(statement)
      .concat(finish),
  };
}
