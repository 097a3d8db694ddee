/**
 * What broadcasts add to the tables of src/store/sql/schema.ts. A recipient is a row of `sends` with the status `staged` until
 * a process claims it. `staged` is no public status, so operations on messages do not find it by mistake. Whether callers see
 * it, and with which status, depends on its broadcast: publishing updates one row instead of a million. A staged recipient is
 * shown as `queued`, and as `cancelled` once its broadcast is cancelled.
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
  // Counting a million rows for each read of a broadcast takes too long, so the tally is updated as rows change. It stays when
  // rows are deleted by age, for as long as the broadcast itself is kept.
  `CREATE TABLE broadcast_tallies (
     broadcast_id TEXT NOT NULL REFERENCES broadcasts (id) ON DELETE CASCADE,
     status TEXT NOT NULL,
     n BIGINT NOT NULL,
     PRIMARY KEY (broadcast_id, status)
   )`,
];

/** Indexes that leave staged recipients out: lists do not have to skip them, and recording them is cheaper. */
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

/** Index of ends without success by broadcast, so that they are found without scanning all messages of a caller or all accepted ones. */
export const FAILED = "status IN ('rejected', 'not_sent', 'unknown', 'cancelled')";
export const failedIndex = `CREATE INDEX sends_failed ON sends (broadcast_id, status, seq)
  WHERE broadcast_id IS NOT NULL AND ${FAILED}`;

/**
 * Reasons of rejection, updated as they occur: counting those of a million recipients would take too long. Like the tallies,
 * they stay when the recipients are deleted by age.
 */
export const reasonsTable = `
  CREATE TABLE broadcast_reasons (
     broadcast_id TEXT NOT NULL REFERENCES broadcasts (id) ON DELETE CASCADE,
     reason TEXT NOT NULL,
     n BIGINT NOT NULL,
     PRIMARY KEY (broadcast_id, reason)
   )`;

/** Fills the table for broadcasts that existed before it. */
export const countReasons = `
  INSERT INTO broadcast_reasons (broadcast_id, reason, n)
     SELECT broadcast_id, COALESCE(failure_code, 'other'), COUNT(*) FROM sends
     WHERE status = 'rejected' AND broadcast_id IN (SELECT id FROM broadcasts)
     GROUP BY broadcast_id, COALESCE(failure_code, 'other')`;

/** Without it, counting the reasons of one broadcast reads every rejected message of its caller. */
export const rejectedIndex =
  "CREATE INDEX sends_rejected ON sends (broadcast_id, failure_code) WHERE status = 'rejected'";
