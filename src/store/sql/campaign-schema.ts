/**
 * Columns of broadcasts. `paced_until` (ageing clock): when the next recipients of a broadcast with `perMinute` may be claimed.
 * `left_out`: number of recipients of the original that are not part of the resend. `shown_early`: 1 if the broadcast is visible to
 * its caller while it is recording.
 */
export const campaignColumns: readonly string[] = [
  'ALTER TABLE broadcasts ADD COLUMN reference TEXT',
  'ALTER TABLE broadcasts ADD COLUMN per_minute INTEGER',
  'ALTER TABLE broadcasts ADD COLUMN paced_until BIGINT NOT NULL DEFAULT 0',
  'ALTER TABLE broadcasts ADD COLUMN resend_of TEXT',
  'ALTER TABLE broadcasts ADD COLUMN left_out BIGINT',
  'ALTER TABLE broadcasts ADD COLUMN shown_early INTEGER NOT NULL DEFAULT 0',
];

/** Wall clock: when a count last changed. */
export const tallyTimes = 'ALTER TABLE broadcast_tallies ADD COLUMN moved_at BIGINT';

export const sqliteTallyTimes: readonly string[] = [
  'DROP TRIGGER recipients_moved',
  `CREATE TRIGGER recipients_moved AFTER UPDATE OF status ON sends
   WHEN old.status <> new.status AND new.broadcast_id IS NOT NULL BEGIN
     UPDATE broadcast_tallies SET n = n - 1, moved_at = new.updated_at
       WHERE broadcast_id = new.broadcast_id AND status = old.status;
     INSERT INTO broadcast_tallies (broadcast_id, status, n, moved_at)
       VALUES (new.broadcast_id, new.status, 1, new.updated_at)
       ON CONFLICT (broadcast_id, status) DO UPDATE SET n = n + 1, moved_at = new.updated_at;
   END`,
];

export const postgresTallyTimes = `CREATE OR REPLACE FUNCTION tally_recipients() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
     IF NOT EXISTS (SELECT 1 FROM reached_rows WHERE broadcast_id IS NOT NULL) THEN RETURN NULL; END IF;
     INSERT INTO broadcast_tallies AS tallies (broadcast_id, status, n, moved_at)
     SELECT broadcast_id, status, sum(moved), (SELECT max(updated_at) FROM reached_rows) FROM (
       SELECT broadcast_id, status, -1 AS moved FROM left_rows WHERE broadcast_id IS NOT NULL
       UNION ALL
       SELECT broadcast_id, status, 1 AS moved FROM reached_rows WHERE broadcast_id IS NOT NULL
     ) AS moves
     GROUP BY broadcast_id, status HAVING sum(moved) <> 0 ORDER BY broadcast_id, status
     ON CONFLICT (broadcast_id, status) DO UPDATE SET n = tallies.n + excluded.n, moved_at = excluded.moved_at;
     INSERT INTO broadcast_reasons AS reasons (broadcast_id, reason, n)
     SELECT broadcast_id, COALESCE(failure_code, 'other'), sum(moved) FROM (
       SELECT broadcast_id, failure_code, -1 AS moved FROM left_rows
       WHERE broadcast_id IS NOT NULL AND status = 'rejected'
       UNION ALL
       SELECT broadcast_id, failure_code, 1 AS moved FROM reached_rows
       WHERE broadcast_id IS NOT NULL AND status = 'rejected'
     ) AS moves
     GROUP BY 1, 2 HAVING sum(moved) <> 0 ORDER BY 1, 2
     ON CONFLICT (broadcast_id, reason) DO UPDATE SET n = reasons.n + excluded.n;
     RETURN NULL;
   END $$`;
