/**
 * What broadcasts add to the tables of src/store/sql/schema.ts. A recipient is a row of `sends` that is `staged` until a process
 * claims it: not one of the public states, so that no operation finds it by mistake. Whether it is seen, and as what, hangs on
 * its broadcast: a release writes one row and not a million. `staged` reads as `queued`, of a cancelled one as `cancelled`.
 */
export const broadcastTables = (sequence: string): readonly string[] => [
  `CREATE TABLE broadcasts (
     seq ${sequence},
     id TEXT NOT NULL UNIQUE,
     caller TEXT NOT NULL,
     template TEXT NOT NULL,
     name TEXT NOT NULL,
     connection_id TEXT NOT NULL,
     idem_route TEXT,
     idem_key TEXT,
     fingerprint TEXT,
     status TEXT NOT NULL,
     owner BIGINT NOT NULL,
     total BIGINT NOT NULL DEFAULT 0,
     created_at BIGINT NOT NULL,
     updated_at BIGINT NOT NULL,
     finished_at BIGINT,
     ended_at BIGINT
   )`,
  'CREATE UNIQUE INDEX broadcasts_key ON broadcasts (caller, idem_route, idem_key) WHERE idem_key IS NOT NULL',
  'CREATE INDEX broadcasts_caller ON broadcasts (caller, seq)',
  'CREATE INDEX broadcasts_open ON broadcasts (status, caller) WHERE ended_at IS NULL',
  'CREATE INDEX broadcasts_ended ON broadcasts (ended_at) WHERE ended_at IS NOT NULL',
  // Counting a million rows for every look at a broadcast is too much: the tally is kept as rows move. It stays when they
  // are deleted by age, and says how the broadcast went for as long as that is kept.
  `CREATE TABLE broadcast_tallies (
     broadcast_id TEXT NOT NULL REFERENCES broadcasts (id) ON DELETE CASCADE,
     status TEXT NOT NULL,
     n BIGINT NOT NULL,
     PRIMARY KEY (broadcast_id, status)
   )`,
];

/** Recipients that nobody sees must not be in the way of a list; and each index that leaves them out makes recording them cheaper. */
export const recipientIndexes: readonly string[] = [
  "CREATE INDEX sends_staged ON sends (broadcast_id, seq) WHERE status = 'staged'",
  'DROP INDEX sends_caller',
  'CREATE INDEX sends_caller ON sends (caller, seq) WHERE broadcast_id IS NULL',
  "CREATE INDEX sends_claimed ON sends (caller, seq) WHERE broadcast_id IS NOT NULL AND status <> 'staged'",
  'DROP INDEX sends_broadcast',
  "CREATE INDEX sends_broadcast ON sends (broadcast_id, seq) WHERE broadcast_id IS NOT NULL AND status <> 'staged'",
  'DROP INDEX sends_status',
  "CREATE INDEX sends_status ON sends (caller, status, seq) WHERE status <> 'accepted' AND status <> 'staged'",
  'DROP INDEX sends_twins',
  'CREATE INDEX sends_twins ON sends (recipient, sent_at) WHERE sent_at IS NOT NULL',
];

/** Ends without success: of one broadcast they are sought neither in all of a caller's nor in all that arrived. */
export const FAILED = "status IN ('rejected', 'not_sent', 'unknown', 'cancelled')";
export const failedIndex = `CREATE INDEX sends_failed ON sends (broadcast_id, status, seq)
  WHERE broadcast_id IS NOT NULL AND ${FAILED}`;

/**
 * Why recipients were rejected, kept as they are and not counted for each look: of a million that could not be done in time.
 * Like the tallies, they stay when the recipients are deleted by age.
 */
export const reasonsTable = `
  CREATE TABLE broadcast_reasons (
     broadcast_id TEXT NOT NULL REFERENCES broadcasts (id) ON DELETE CASCADE,
     reason TEXT NOT NULL,
     n BIGINT NOT NULL,
     PRIMARY KEY (broadcast_id, reason)
   )`;

/** Of the broadcasts that were there before it. */
export const countReasons = `
  INSERT INTO broadcast_reasons (broadcast_id, reason, n)
     SELECT broadcast_id, COALESCE(failure_code, 'other'), COUNT(*) FROM sends
     WHERE status = 'rejected' AND broadcast_id IN (SELECT id FROM broadcasts)
     GROUP BY broadcast_id, COALESCE(failure_code, 'other')`;

/** Counting the reasons of one broadcast read every rejected send of its caller. */
export const rejectedIndex =
  "CREATE INDEX sends_rejected ON sends (broadcast_id, failure_code) WHERE status = 'rejected'";
