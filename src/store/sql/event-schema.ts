/**
 * Events for callers, and the facts from which they are made. `at` is wall clock, `recorded_at` goes by Dialect.now. `number` is the
 * type of a primary key that SQLite uses as its rowid.
 */
export const eventTables = (sequence: string, number: 'INTEGER' | 'BIGINT'): readonly string[] => [
  // The event types of each caller. A caller without a row has neither facts nor events.
  `CREATE TABLE event_subscriptions (
     caller TEXT NOT NULL,
     type TEXT NOT NULL,
     PRIMARY KEY (caller, type)
   )`,
  // Written in the transaction of the change that they describe; deleted in the transaction that records their event.
  `CREATE TABLE event_facts (
     seq ${sequence},
     caller TEXT NOT NULL,
     connection_id TEXT NOT NULL,
     type TEXT NOT NULL,
     fact TEXT NOT NULL,
     at BIGINT NOT NULL,
     contact TEXT,
     send_seq BIGINT REFERENCES sends (seq) ON DELETE CASCADE,
     broadcast_id TEXT,
     change_from TEXT,
     change_to TEXT,
     implied INTEGER,
     status TEXT,
     verdict_json TEXT,
     detail_json TEXT
   )`,
  'CREATE INDEX event_facts_send ON event_facts (send_seq) WHERE send_seq IS NOT NULL',
  // One row. Its lock makes the order of numbers the order of commits. `epoch` identifies this database.
  `CREATE TABLE event_numbers (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     epoch TEXT NOT NULL,
     last BIGINT NOT NULL
   )`,
  `CREATE TABLE events (
     seq ${number} NOT NULL PRIMARY KEY,
     id TEXT NOT NULL UNIQUE,
     caller TEXT NOT NULL,
     connection_id TEXT NOT NULL,
     type TEXT NOT NULL,
     fact TEXT NOT NULL,
     contact TEXT,
     at BIGINT NOT NULL,
     recorded_at BIGINT NOT NULL,
     data TEXT NOT NULL
   )`,
  // By the fact first: a caller has many events, a fact few.
  'CREATE UNIQUE INDEX events_fact ON events (fact, caller)',
  'CREATE INDEX events_caller ON events (caller, seq)',
  'CREATE INDEX events_at ON events (caller, at, seq)',
  'CREATE INDEX events_contact ON events (contact) WHERE contact IS NOT NULL',
  // The highest number of each caller's events that were deleted by age.
  'CREATE TABLE event_purges (caller TEXT PRIMARY KEY, seq BIGINT NOT NULL)',
];

const OUTCOMES = "('accepted', 'rejected', 'not_sent', 'unknown')";
/** The message had another outcome before. */
const RESOLVES = `old.status IN ${OUTCOMES}`;
const OUTCOME_TYPE = `CASE WHEN ${RESOLVES} THEN 'message.resolved' ELSE 'message.' || new.status END`;

const IS_OUTCOME = `old.status <> new.status AND new.status IN ${OUTCOMES}`;

/** The outcome is part of the fact, because a message may be resolved twice: `unknown`, `not_sent`, `accepted`. */
const noteOutcome = `
  INSERT INTO event_facts (caller, connection_id, type, fact, at, contact, send_seq, change_from, change_to, status, verdict_json)
  SELECT new.caller, new.connection_id, asked.type,
    'm:' || new.seq || ':' || CASE WHEN ${RESOLVES} THEN 'resolved:' || new.status ELSE new.status END,
    new.updated_at, new.recipient, new.seq, CASE WHEN ${RESOLVES} THEN old.status END,
    CASE WHEN ${RESOLVES} THEN new.status END, new.status, new.verdict_json
  FROM event_subscriptions AS asked WHERE asked.caller = new.caller AND asked.type = ${OUTCOME_TYPE};`;

const IS_DELIVERY = 'old.rank <> new.rank OR (old.replied_at IS NULL AND new.replied_at IS NOT NULL)';

const isNew = (time: string): string => `old.${time} IS NULL AND new.${time} IS NOT NULL`;
const IS_SENT = `(old.rank < 1 AND ${isNew('sent_at')})`;
/** Also of a message that is delivered already, if the failure came first. */
const IS_FAILED = `(old.rank < 2 AND ${isNew('failed_at')} AND (new.rank = 2 OR new.failed_at <= new.delivered_at))`;
const IS_DELIVERED = '(old.rank < 3 AND new.rank >= 3)';
const IS_READ = '(old.rank < 4 AND new.rank = 4)';
const IS_REPLIED = `(${isNew('replied_at')})`;
/** `read` and `replied` imply `delivered`, which then has the same time (src/tracking/delivery-state.ts). */
const IS_IMPLIED = `CASE WHEN (${isNew('read_at')} AND new.delivered_at = new.read_at)
  OR (${isNew('replied_at')} AND new.delivered_at = new.replied_at) THEN 1 END`;
const SENT_BEFORE = `(old.rank = 1 OR ${IS_SENT})`;
const FAILED_BEFORE = `(old.rank = 2 OR ${IS_FAILED})`;

const MOVES = [
  ['sent', IS_SENT, 'CAST(NULL AS TEXT)', 'NULL'],
  ['failed', IS_FAILED, `CASE WHEN ${SENT_BEFORE} THEN 'sent' END`, 'NULL'],
  [
    'delivered',
    IS_DELIVERED,
    `CASE WHEN ${FAILED_BEFORE} THEN 'failed' WHEN ${SENT_BEFORE} THEN 'sent' END`,
    IS_IMPLIED,
  ],
  ['read', IS_READ, "'delivered'", 'NULL'],
  ['replied', IS_REPLIED, "CASE WHEN new.rank = 4 THEN 'read' ELSE 'delivered' END", 'NULL'],
] as const;

/** In the order of the ranks, also if one statement changes several. */
const noteDelivery = `
  INSERT INTO event_facts (caller, connection_id, type, fact, at, contact, send_seq, change_from, change_to, implied)
  SELECT sends.caller, sends.connection_id, asked.type, 'm:' || sends.seq || ':' || moves.became, new.updated_at, sends.recipient,
    sends.seq, moves.was, moves.became, moves.implied
  FROM (${MOVES.map(
    ([became, condition, was, implied], place) =>
      `SELECT ${place} AS place, '${became}' AS became, ${was} AS was, CAST(${implied} AS INTEGER) AS implied WHERE ${condition}`,
  ).join(' UNION ALL ')}) AS moves
    JOIN event_subscriptions AS asked ON asked.caller = new.caller AND asked.type = 'message.' || moves.became
    JOIN sends ON sends.seq = new.send_seq
  ORDER BY moves.place;`;

const IS_END = isNew('finished_at');

const noteEnd = `
  INSERT INTO event_facts (caller, connection_id, type, fact, at, broadcast_id)
  SELECT new.caller, new.connection_id, asked.type, 'b:' || new.id, new.finished_at, new.id
  FROM event_subscriptions AS asked WHERE asked.caller = new.caller AND asked.type = 'broadcast.finished';`;

const IS_ASKED = 'EXISTS (SELECT 1 FROM event_subscriptions WHERE caller = new.caller)';

/** A change that its caller has no subscription for costs one index lookup. */
export const sqliteEventTriggers: readonly string[] = [
  `CREATE TRIGGER sends_told AFTER UPDATE OF status ON sends WHEN ${IS_OUTCOME} AND ${IS_ASKED} BEGIN ${noteOutcome} END`,
  `CREATE TRIGGER deliveries_told AFTER UPDATE OF rank, replied_at ON deliveries
   WHEN (${IS_DELIVERY}) AND ${IS_ASKED} BEGIN ${noteDelivery} END`,
  `CREATE TRIGGER broadcasts_told AFTER UPDATE OF finished_at ON broadcasts
   WHEN ${IS_END} AND ${IS_ASKED} BEGIN ${noteEnd} END`,
];

/**
 * Row triggers, whose condition is checked before the function is called. They only insert, and read without locks, so they cannot
 * take part in a deadlock. They do not NOTIFY, because transactions that do so commit one after another.
 */
const postgresTrigger = (table: string, moved: string, note: string): readonly string[] => [
  `CREATE FUNCTION ${table}_told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
     IF ${IS_ASKED} THEN ${note} END IF;
     RETURN NULL;
   END $$`,
  `CREATE TRIGGER ${table}_told AFTER UPDATE ON ${table} FOR EACH ROW WHEN (${moved}) EXECUTE FUNCTION ${table}_told()`,
];

/** One migration each, because each locks a table that is in use. */
export const postgresEventTriggers = {
  sends: postgresTrigger('sends', IS_OUTCOME, noteOutcome),
  deliveries: postgresTrigger('deliveries', IS_DELIVERY, noteDelivery),
  broadcasts: postgresTrigger('broadcasts', IS_END, noteEnd),
};
