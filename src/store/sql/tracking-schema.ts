/**
 * What is kept of webhooks and of what became of messages. Of the clocks, `received_at`, the times of `deliveries` and those of
 * `conversations` are wall clock; `recorded_at`, `next_at` and `told_at` are the ageing clock.
 */

export const WAITING = "state IN ('new', 'waiting')";

/**
 * Webhooks of WATI, each recorded before it is acknowledged. The body is deleted once it is applied; the key stays, to
 * recognize repeats.
 */
export const intakeTables = (sequence: string): readonly string[] => [
  `CREATE TABLE intake (
     seq ${sequence},
     key TEXT NOT NULL UNIQUE,
     connection_id TEXT NOT NULL,
     received_at BIGINT NOT NULL,
     recorded_at BIGINT NOT NULL,
     owner BIGINT NOT NULL,
     state TEXT NOT NULL,
     tries INTEGER NOT NULL DEFAULT 0,
     next_at BIGINT NOT NULL,
     body TEXT
   )`,
  `CREATE INDEX intake_due ON intake (owner, next_at, seq) WHERE ${WAITING}`,
  "CREATE INDEX intake_failed ON intake (recorded_at) WHERE state = 'failed'",
  'CREATE INDEX intake_recorded ON intake (recorded_at)',
];

/**
 * Persons, by each id that WATI may use. Two rows may be the same person whose number became known later; they are joined when
 * they are read.
 */
export const conversationTables: readonly string[] = [
  `CREATE TABLE conversations (
     connection_id TEXT NOT NULL,
     contact TEXT NOT NULL,
     phone TEXT,
     bsuid TEXT,
     parent_bsuid TEXT,
     contact_id TEXT,
     username TEXT,
     name TEXT,
     wati_conversation_id TEXT,
     last_in_at BIGINT,
     last_in_source TEXT,
     closed_at BIGINT,
     last_foreign_out_at BIGINT,
     provisional_out_at BIGINT,
     provisional_entry BIGINT,
     told_at BIGINT NOT NULL,
     PRIMARY KEY (connection_id, contact)
   )`,
  'CREATE INDEX conversations_phone ON conversations (phone, connection_id) WHERE phone IS NOT NULL',
  'CREATE INDEX conversations_bsuid ON conversations (bsuid, connection_id) WHERE bsuid IS NOT NULL',
  'CREATE INDEX conversations_contact_id ON conversations (contact_id, connection_id) WHERE contact_id IS NOT NULL',
  'CREATE INDEX conversations_told ON conversations (told_at)',
  // Recipients whose history is to be read.
  `CREATE TABLE tracking (
     connection_id TEXT NOT NULL,
     recipient TEXT NOT NULL,
     next_at BIGINT NOT NULL,
     looks INTEGER NOT NULL DEFAULT 0,
     PRIMARY KEY (connection_id, recipient)
   )`,
  'CREATE INDEX tracking_due ON tracking (next_at)',
  // One row a connection and month: `month` is 202611 for November 2026.
  `CREATE TABLE upstream_calls (
     connection_id TEXT NOT NULL,
     month INTEGER NOT NULL,
     n BIGINT NOT NULL,
     PRIMARY KEY (connection_id, month)
   )`,
];

/**
 * Reads per day, by connection: `day` is 20261130 for 30 November 2026. `listened_wall` of `intake_watch` is wall clock, its
 * other times are the ageing clock.
 */
export const watchTables: readonly string[] = [
  `CREATE TABLE poll_calls (
     connection_id TEXT NOT NULL,
     day INTEGER NOT NULL,
     n BIGINT NOT NULL,
     PRIMARY KEY (connection_id, day)
   )`,
  // When webhooks of a connection were first and last listened for, and when the last one came.
  `CREATE TABLE intake_watch (
     connection_id TEXT NOT NULL PRIMARY KEY,
     since BIGINT NOT NULL,
     listened_at BIGINT NOT NULL,
     listened_wall BIGINT NOT NULL,
     event_at BIGINT
   )`,
];

/**
 * One row per message of which anything is known; deleted with the message. `caller` and `broadcast_id` are copies from the
 * message, for lists by state.
 */
export const deliveriesTables = (sequence: 'INTEGER' | 'BIGINT'): readonly string[] => [
  `CREATE TABLE deliveries (
     send_seq ${sequence} NOT NULL PRIMARY KEY REFERENCES sends (seq) ON DELETE CASCADE,
     caller TEXT NOT NULL,
     broadcast_id TEXT,
     rank INTEGER NOT NULL,
     sent_at BIGINT,
     failed_at BIGINT,
     delivered_at BIGINT,
     read_at BIGINT,
     replied_at BIGINT,
     failure_code TEXT,
     failure_detail TEXT,
     wati_id TEXT,
     source TEXT NOT NULL,
     updated_at BIGINT NOT NULL
   )`,
  'CREATE INDEX deliveries_rank ON deliveries (caller, rank, send_seq)',
  'CREATE INDEX deliveries_replied ON deliveries (caller, send_seq) WHERE replied_at IS NOT NULL',
  'CREATE INDEX deliveries_broadcast ON deliveries (broadcast_id, rank, send_seq) WHERE broadcast_id IS NOT NULL',
  'CREATE INDEX deliveries_wati ON deliveries (wati_id) WHERE wati_id IS NOT NULL',
];

/** The number of recipients in each state, updated as they change, like `broadcast_tallies`. */
export const deliveryTallies = `CREATE TABLE delivery_tallies (
   broadcast_id TEXT NOT NULL REFERENCES broadcasts (id) ON DELETE CASCADE,
   status TEXT NOT NULL,
   n BIGINT NOT NULL,
   PRIMARY KEY (broadcast_id, status)
 )`;

const status = (row: string): string =>
  `CASE ${row}.rank WHEN 1 THEN 'sent' WHEN 2 THEN 'failed' WHEN 3 THEN 'delivered' WHEN 4 THEN 'read' END`;

/** A row is inserted at rank 0, so that only updates are counted. */
export const sqliteTallyTriggers: readonly string[] = [
  `CREATE TRIGGER deliveries_moved AFTER UPDATE OF rank ON deliveries
   WHEN new.broadcast_id IS NOT NULL AND old.rank <> new.rank BEGIN
     UPDATE delivery_tallies SET n = n - 1 WHERE broadcast_id = new.broadcast_id AND status = ${status('old')};
     INSERT INTO delivery_tallies VALUES (new.broadcast_id, ${status('new')}, 1)
       ON CONFLICT (broadcast_id, status) DO UPDATE SET n = n + 1;
   END`,
  `CREATE TRIGGER deliveries_answered AFTER UPDATE OF replied_at ON deliveries
   WHEN new.broadcast_id IS NOT NULL AND old.replied_at IS NULL AND new.replied_at IS NOT NULL BEGIN
     INSERT INTO delivery_tallies VALUES (new.broadcast_id, 'replied', 1)
       ON CONFLICT (broadcast_id, status) DO UPDATE SET n = n + 1;
   END`,
];

/** Once per statement and in a fixed order, so that two statements never wait for each other. */
export const postgresTallyTriggers: readonly string[] = [
  `CREATE FUNCTION tally_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
     IF NOT EXISTS (SELECT 1 FROM reached_rows WHERE broadcast_id IS NOT NULL) THEN RETURN NULL; END IF;
     INSERT INTO delivery_tallies AS tallies (broadcast_id, status, n)
     SELECT broadcast_id, status, sum(moved) FROM (
       SELECT broadcast_id, ${status('was')} AS status, -1 AS moved FROM left_rows AS was WHERE rank > 0
       UNION ALL
       SELECT broadcast_id, ${status('becomes')} AS status, 1 AS moved FROM reached_rows AS becomes WHERE rank > 0
       UNION ALL
       SELECT broadcast_id, 'replied' AS status, -1 AS moved FROM left_rows WHERE replied_at IS NOT NULL
       UNION ALL
       SELECT broadcast_id, 'replied' AS status, 1 AS moved FROM reached_rows WHERE replied_at IS NOT NULL
     ) AS moves
     WHERE broadcast_id IS NOT NULL
     GROUP BY broadcast_id, status HAVING sum(moved) <> 0 ORDER BY broadcast_id, status
     ON CONFLICT (broadcast_id, status) DO UPDATE SET n = tallies.n + excluded.n;
     RETURN NULL;
   END $$`,
  `CREATE TRIGGER deliveries_moved AFTER UPDATE ON deliveries
     REFERENCING OLD TABLE AS left_rows NEW TABLE AS reached_rows
     FOR EACH STATEMENT EXECUTE FUNCTION tally_deliveries()`,
];

/** The outcome of a message that was proved to be sent before its attempt had ended. */
export const proofColumn = 'ALTER TABLE sends ADD COLUMN proof_json TEXT';

/** Indexes of the ids by which webhooks name messages. An own id equals the message's id and needs none. */
export const namedIndexes: readonly string[] = [
  'CREATE INDEX sends_whatsapp_id ON sends (whatsapp_message_id) WHERE whatsapp_message_id IS NOT NULL',
  'CREATE INDEX sends_local_id ON sends (local_message_id) WHERE local_message_id <> id',
];

/** Replicas of the previous version do not know proofs: this trigger turns other ends that they write into `accepted`. */
export const keepProof: readonly string[] = [
  `CREATE FUNCTION keep_proof() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
     NEW.status := 'accepted';
     NEW.verdict_json := OLD.proof_json;
     NEW.failure_code := NULL;
     NEW.failure_detail := NULL;
     NEW.call_json := NULL;
     NEW.looks := 0;
     NEW.next_look_at := NULL;
     NEW.lost_call := NULL;
     NEW.ended_at := (extract(epoch FROM now()) * 1000)::bigint;
     RETURN NEW;
   END $$`,
  `CREATE TRIGGER sends_proved BEFORE UPDATE ON sends FOR EACH ROW
     WHEN (OLD.status = 'sending' AND OLD.proof_json IS NOT NULL
       AND NEW.status IN ('unknown', 'rejected', 'not_sent', 'queued', 'staged'))
     EXECUTE FUNCTION keep_proof()`,
];
