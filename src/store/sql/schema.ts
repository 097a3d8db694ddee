/**
 * The tables that are the same in both databases. JSON is stored as text: it is not queried, and PostgreSQL's jsonb refuses
 * `\u0000`. `created_at`, `updated_at` and `sent_at` are wall clock, for people to read; `ended_at` and `next_look_at` are in
 * the ageing clock, Dialect.now.
 */
export const sendsTable = (sequence: string): string => `
CREATE TABLE sends (
  seq ${sequence},
  id TEXT NOT NULL UNIQUE,
  caller TEXT NOT NULL,
  kind TEXT NOT NULL,
  recipient TEXT,
  connection_id TEXT NOT NULL,
  template TEXT,
  local_message_id TEXT,
  whatsapp_message_id TEXT,
  idem_route TEXT,
  idem_key TEXT,
  fingerprint TEXT,
  broadcast_id TEXT,
  resend_of TEXT,
  status TEXT NOT NULL,
  owner BIGINT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  failure_code TEXT,
  failure_detail TEXT,
  verdict_json TEXT,
  sent_at BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  ended_at BIGINT,
  looks INTEGER NOT NULL DEFAULT 0,
  next_look_at BIGINT,
  call_json TEXT
)`;

/**
 * Queued messages are found by caller, connection and owner, `sending` ones by owner, so that a queue of a million costs no
 * more than one of ten. A queue may be held for days without ever being scanned.
 */
export const queueSchema: readonly string[] = [
  "CREATE INDEX sends_queued ON sends (caller, connection_id, owner, seq) WHERE status = 'queued'",
  "CREATE INDEX sends_streams ON sends (owner) WHERE status = 'queued' AND call_json IS NULL",
  "CREATE INDEX sends_sending ON sends (owner, broadcast_id, seq) WHERE status = 'sending'",
  'DROP INDEX sends_open',
  'ALTER TABLE broadcasts ADD COLUMN paused_by TEXT',
  'ALTER TABLE broadcasts ADD COLUMN pause_reason TEXT',
  `CREATE INDEX broadcasts_lane ON broadcasts (caller, connection_id, seq)
     WHERE status = 'running' AND ended_at IS NULL`,
  // Values that were found once and must not change unnoticed, such as which connection is the only active one.
  'CREATE TABLE pins (name TEXT PRIMARY KEY, value TEXT NOT NULL)',
];

/** The file name that a customer sees. */
export const fileNameColumn: readonly string[] = ['ALTER TABLE sends ADD COLUMN file_name TEXT'];

/** The callers' own names for their messages, and the index to find them. */
export const referenceColumn: readonly string[] = [
  'ALTER TABLE sends ADD COLUMN reference TEXT',
  'CREATE INDEX sends_reference ON sends (caller, reference, seq) WHERE reference IS NOT NULL',
];

/** Index of messages by template. It excludes staged recipients, so that recording them costs nothing extra. */
export const templateIndex: readonly string[] = [
  "CREATE INDEX sends_template ON sends (caller, template, seq) WHERE template IS NOT NULL AND status <> 'staged'",
];

/** Index of messages by time, so that `since` does not visit older ones. Recipients have the time of their broadcast. */
export const timeIndexes: readonly string[] = [
  'CREATE INDEX sends_created ON sends (caller, created_at, seq) WHERE broadcast_id IS NULL',
  'CREATE INDEX broadcasts_created ON broadcasts (caller, created_at, seq)',
];

/** Unknown messages that shared a lost call. One of them (`look_place` 0) is looked up before all others, so it has an index of its own. */
export const lookSchema: readonly string[] = [
  'ALTER TABLE sends ADD COLUMN lost_call TEXT',
  'ALTER TABLE sends ADD COLUMN look_place INTEGER NOT NULL DEFAULT 0',
  'ALTER TABLE sends ADD COLUMN looked_at BIGINT',
  'ALTER TABLE broadcasts ADD COLUMN looks_asked_at BIGINT',
  // Rows that were looked up before this column existed.
  "UPDATE sends SET looked_at = ended_at WHERE status = 'unknown' AND looks > 0",
  'CREATE INDEX sends_look_first ON sends (next_look_at) WHERE next_look_at IS NOT NULL AND look_place = 0',
  'CREATE INDEX sends_lost ON sends (broadcast_id, lost_call) WHERE lost_call IS NOT NULL',
];

/** Indexes of unknown messages of all callers, newest first, and by call. Written only when an outcome is unknown. */
export const unknownIndexes: readonly string[] = [
  "CREATE INDEX sends_unknown ON sends (seq, lost_call) WHERE status = 'unknown'",
  'CREATE INDEX sends_lost_call ON sends (lost_call) WHERE lost_call IS NOT NULL',
];

/** Unknown recipients that are still looked up. */
export const SOUGHT = "status = 'unknown' AND broadcast_id IS NOT NULL AND next_look_at IS NOT NULL";
/** When a message was last looked up, -1 if never. */
export const LOOKED = 'COALESCE(looked_at, -1)';

/** Counts those of a broadcast that were not looked up since a time, without visiting the others. */
export const soughtIndex = `CREATE INDEX sends_sought ON sends (broadcast_id, (${LOOKED})) WHERE ${SOUGHT}`;

/**
 * `channel` is the company number of a message. `channel_attempt` is NULL if any process may claim the message; otherwise it is
 * the number of the last attempt that was claimed by a version that knows channels, 0 before the first.
 */
export const channelColumns: readonly string[] = [
  'ALTER TABLE sends ADD COLUMN channel TEXT',
  'ALTER TABLE sends ADD COLUMN channel_attempt INTEGER',
  'ALTER TABLE broadcasts ADD COLUMN channel TEXT',
];

/** Condition of single messages that can expire. */
export const MAY_EXPIRE = "not_after IS NOT NULL AND status IN ('queued', 'scheduled')";

/**
 * Times are wall clock, ms (Dialect.wallNow). A message with the status `scheduled` waits for its `send_at` and is in no queue. The
 * indexes contain only waiting messages with such a time.
 */
export const scheduleSchema = {
  sends: [
    'ALTER TABLE sends ADD COLUMN send_at BIGINT',
    'ALTER TABLE sends ADD COLUMN not_after BIGINT',
    "CREATE INDEX sends_due ON sends (caller, send_at, seq) WHERE status = 'scheduled'",
    `CREATE INDEX sends_late ON sends (not_after) WHERE ${MAY_EXPIRE}`,
  ],
  broadcasts: [
    'ALTER TABLE broadcasts ADD COLUMN send_at BIGINT',
    'ALTER TABLE broadcasts ADD COLUMN not_after BIGINT',
    "CREATE INDEX broadcasts_due ON broadcasts (send_at) WHERE status = 'scheduled'",
    'CREATE INDEX broadcasts_late ON broadcasts (not_after) WHERE not_after IS NOT NULL AND ended_at IS NULL',
  ],
} as const;

export const sendsIndexes: readonly string[] = [
  'CREATE UNIQUE INDEX sends_key ON sends (caller, idem_route, idem_key) WHERE idem_key IS NOT NULL',
  'CREATE UNIQUE INDEX sends_child ON sends (caller, resend_of) WHERE resend_of IS NOT NULL',
  'CREATE INDEX sends_twins ON sends (recipient, sent_at)',
  'CREATE INDEX sends_caller ON sends (caller, seq)',
  'CREATE INDEX sends_recipient ON sends (caller, recipient, seq) WHERE recipient IS NOT NULL',
  'CREATE INDEX sends_broadcast ON sends (broadcast_id, seq) WHERE broadcast_id IS NOT NULL',
  // Nearly every message is accepted, so an index of accepted ones finds nothing faster, and would be written on every
  // completion.
  "CREATE INDEX sends_status ON sends (caller, status, seq) WHERE status <> 'accepted'",
  "CREATE INDEX sends_open ON sends (status, seq) WHERE status IN ('queued', 'sending')",
  'CREATE INDEX sends_look ON sends (next_look_at) WHERE next_look_at IS NOT NULL',
  'CREATE INDEX sends_ended ON sends (ended_at) WHERE ended_at IS NOT NULL',
  `CREATE INDEX sends_held ON sends (ended_at)
     WHERE ended_at IS NOT NULL AND (idem_key IS NOT NULL OR call_json IS NOT NULL)`,
];
