import { randomBytes } from 'node:crypto';
import { type Dialect, type Statement, type Step, statement } from './engine.ts';
import { FACT_COLUMNS } from './event-row.ts';
import { VISIBLE_COLUMNS } from './message-columns.ts';
import { DELIVERED, WITH_DELIVERY } from './tracking-columns.ts';

/** The rows that a page visits at most to find those of the given types. */
export const SCANNED_MAX = 2_000;
/** How many rows the times of events may be out of order. */
const DISORDER_MAX = 1_000;

const EPOCH_BYTES = 9;

const COLUMNS = ['seq', 'id', 'caller', 'connection_id', 'type', 'fact', 'contact', 'at', 'data'] as const;
const EVENT = COLUMNS.map((column) => `events.${column}`).join(', ');

export interface EventStatements {
  readonly subscriptions: Statement;
  readonly unsubscribe: Statement;
  readonly subscribe: Statement;
  readonly dropUnasked: Statement;
  readonly addFacts: Statement;
  readonly pending: Statement;
  readonly lockNumbers: Statement;
  readonly insert: Statement;
  readonly advance: Statement;
  readonly takeOut: Statement;
  readonly positions: Statement;
  readonly page: Statement;
  readonly find: Statement;
  readonly newOfAll: Statement;
  readonly before: Statement;
  readonly notePurged: Statement;
  readonly expire: Statement;
  readonly countPerson: Statement;
  readonly listPerson: Statement;
  readonly erasePerson: Statement;
  readonly eraseFacts: Statement;
}

export function eventStatements(dialect: Dialect): EventStatements {
  return { ...subscribing(dialect), ...recording(dialect), ...reading(dialect), ...forgetting(dialect) };
}

/** The first process inserts the row, with a random epoch. */
export const lockNumbersStep = ({ lockNumbers }: Pick<EventStatements, 'lockNumbers'>): Step => ({
  statement: lockNumbers,
  values: { epoch: randomBytes(EPOCH_BYTES).toString('base64url') },
});

function subscribing({ among, inputRows, skipLockedAny }: Dialect) {
  const given = inputRows({ caller: 'TEXT', type: 'TEXT' });
  return {
    subscriptions: statement('SELECT caller, type FROM event_subscriptions ORDER BY caller, type'),
    unsubscribe: statement(
      `DELETE FROM event_subscriptions WHERE (caller, type) NOT IN (SELECT given.caller, given.type FROM ${given})`,
    ),
    subscribe: statement(`
      INSERT INTO event_subscriptions (caller, type) SELECT given.caller, given.type FROM ${given}
      WHERE TRUE ON CONFLICT DO NOTHING`),
    // A locked row is being deleted with its message.
    dropUnasked: statement(`
      WITH unasked AS MATERIALIZED
        (SELECT seq FROM event_facts WHERE (caller, type) NOT IN (SELECT caller, type FROM event_subscriptions)
         ${skipLockedAny})
      DELETE FROM event_facts WHERE seq ${among('SELECT seq FROM unasked')}`),
  };
}

/**
 * Conditions on other rows are scalar subqueries and `among`, which are one index lookup each. PostgreSQL would join tables, and its
 * statistics of `event_facts` are usually those of an empty one, so it might scan all of it for each row. `caller || ''` keeps it
 * from using an index on the caller.
 */
function recording({ now, among, inputRows, skipLockedAny }: Dialect) {
  const facts = inputRows({
    place: 'INTEGER',
    caller: 'TEXT',
    connection: 'TEXT',
    type: 'TEXT',
    fact: 'TEXT',
    at: 'BIGINT',
    contact: 'TEXT',
    send_seq: 'BIGINT',
    detail: 'TEXT',
  });
  const events = inputRows({
    place: 'INTEGER',
    fact_seq: 'BIGINT',
    id: 'TEXT',
    caller: 'TEXT',
    connection: 'TEXT',
    type: 'TEXT',
    fact: 'TEXT',
    contact: 'TEXT',
    at: 'BIGINT',
    data: 'TEXT',
  });
  const isNew = "(SELECT 1 FROM events WHERE events.fact = given.fact AND events.caller || '' = given.caller) IS NULL";
  const fact = (column: string) => `(SELECT ${column} FROM event_facts WHERE event_facts.seq = given.fact_seq)`;
  return {
    addFacts: statement(`
      INSERT INTO event_facts (caller, connection_id, type, fact, at, contact, send_seq, detail_json)
      SELECT given.caller, given.connection, given.type, given.fact, given.at, given.contact, given.send_seq, given.detail
      FROM ${facts} JOIN event_subscriptions AS asked ON asked.caller = given.caller AND asked.type = given.type
      WHERE ${isNew} AND (given.send_seq IS NULL OR (SELECT 1 FROM sends WHERE sends.seq = given.send_seq) = 1)
      ORDER BY given.place`),
    pending: statement(`
      SELECT ${FACT_COLUMNS}, ${VISIBLE_COLUMNS}, ${DELIVERED}
      FROM (SELECT * FROM event_facts ORDER BY seq LIMIT :limit) AS event_facts
        LEFT JOIN sends ON sends.seq = event_facts.send_seq ${WITH_DELIVERY}
      ORDER BY event_facts.seq`),
    // Holds the lock until the commit, so that the next transaction continues with the number after the last of this one.
    lockNumbers: statement(`
      INSERT INTO event_numbers (id, epoch, last) VALUES (1, :epoch, 0)
      ON CONFLICT (id) DO UPDATE SET last = event_numbers.last`),
    insert: statement(`
      INSERT INTO events (seq, id, caller, connection_id, type, fact, contact, at, recorded_at, data)
      SELECT (SELECT last FROM event_numbers WHERE id = 1) + ROW_NUMBER() OVER (ORDER BY given.place), given.id, given.caller,
        given.connection, given.type, given.fact, COALESCE(given.contact, ${fact('contact')}), given.at, ${now}, given.data
      FROM ${events} WHERE ${fact('1')} = 1 AND ${isNew}
      ON CONFLICT DO NOTHING RETURNING seq, id, contact`),
    advance: statement(`
      UPDATE event_numbers SET last = newest.seq FROM (SELECT MAX(seq) AS seq FROM events) AS newest
      WHERE event_numbers.last < newest.seq`),
    // A locked row is being deleted with its message.
    takeOut: statement(`
      WITH theirs AS MATERIALIZED
        (SELECT seq FROM event_facts WHERE seq ${among(`SELECT given.seq FROM ${inputRows({ seq: 'BIGINT' })}`)} ${skipLockedAny})
      DELETE FROM event_facts WHERE seq ${among('SELECT seq FROM theirs')}`),
  };
}

function reading({ inputRows, among, newestOfEach }: Dialect) {
  const callers = inputRows({ caller: 'TEXT' });
  return {
    positions: statement(`
      SELECT epoch, last, COALESCE((SELECT seq FROM event_purges WHERE caller = :caller), 0) AS purged FROM event_numbers`),
    // Returns the end of the scanned range even if no event matches.
    page: statement(`
      WITH ends AS MATERIALIZED
        (SELECT COALESCE(MAX(seq), :after) AS scan_end, COUNT(*) AS scan_n FROM
           (SELECT seq FROM events WHERE caller = :caller AND seq > :after ORDER BY seq LIMIT :most) AS scanned),
      found AS
        (SELECT ${EVENT} FROM events
         WHERE events.caller = :caller AND events.seq > :after AND events.seq <= (SELECT scan_end FROM ends)
           AND (:every = 1 OR events.type IN (SELECT given.type FROM ${inputRows({ type: 'TEXT' })}))
           AND (CAST(:connection AS TEXT) IS NULL OR events.connection_id = :connection)
         ORDER BY events.seq LIMIT :limit)
      SELECT found.*, ends.scan_end, ends.scan_n FROM ends LEFT JOIN found ON TRUE ORDER BY found.seq`),
    find: statement(`SELECT ${EVENT} FROM events WHERE id = :id AND caller || '' = :caller`),
    newOfAll: statement(`
      SELECT ${EVENT} FROM events
      WHERE events.seq ${among(`SELECT theirs.seq FROM ${newestOfEach(callers)} ORDER BY theirs.seq LIMIT :limit`)}
      ORDER BY events.seq`),
    // Times are not strictly in the order of numbers, so this is the last event before the first of all that are later.
    before: statement(`
      SELECT seq FROM events WHERE caller = :caller AND seq < COALESCE(
        (SELECT MIN(seq) FROM
           (SELECT seq FROM events WHERE caller = :caller AND at > :at ORDER BY at, seq LIMIT ${DISORDER_MAX}) AS later),
        ${Number.MAX_SAFE_INTEGER})
      ORDER BY seq DESC LIMIT 1`),
  };
}

function forgetting({ now, among, inputRows, skipLockedAny }: Dialect) {
  // The oldest events have the lowest numbers, so no index on the age is needed.
  const old = `recorded_at <= ${now} - CAST(:eventRetentionMs AS BIGINT)`;
  const oldest = `(SELECT seq, caller, recorded_at FROM events ORDER BY seq LIMIT :limit)`;
  const ofPerson = `contact IS NOT NULL AND contact ${among(`SELECT given.contact FROM ${inputRows({ contact: 'TEXT' })}`)}`;
  return {
    // In the order of callers, to prevent deadlocks.
    notePurged: statement(`
      INSERT INTO event_purges AS purged (caller, seq)
      SELECT oldest.caller, MAX(oldest.seq) FROM ${oldest} AS oldest WHERE ${old} GROUP BY oldest.caller ORDER BY oldest.caller
      ON CONFLICT (caller) DO UPDATE SET seq = excluded.seq WHERE excluded.seq > purged.seq`),
    // Only up to the noted number, which holds even if another process purges at the same time.
    expire: statement(`
      WITH old AS MATERIALIZED
        (SELECT events.seq AS old_seq FROM events
         WHERE events.seq ${among(`SELECT oldest.seq FROM ${oldest} AS oldest WHERE ${old}`)}
           AND events.seq <= (SELECT purged.seq FROM event_purges AS purged WHERE purged.caller = events.caller)
         ORDER BY events.seq ${skipLockedAny})
      DELETE FROM events WHERE seq ${among('SELECT old_seq FROM old')} RETURNING seq`),
    countPerson: statement(`
      SELECT (SELECT COUNT(*) FROM events WHERE ${ofPerson}) + (SELECT COUNT(*) FROM event_facts WHERE ${ofPerson}) AS n`),
    listPerson: statement(`
      WITH theirs AS MATERIALIZED (SELECT seq FROM events WHERE ${ofPerson})
      SELECT ${EVENT} FROM events
      WHERE events.seq ${among('SELECT seq FROM theirs WHERE seq > :after ORDER BY seq LIMIT :limit')} ORDER BY events.seq`),
    erasePerson: statement(`DELETE FROM events WHERE ${ofPerson} RETURNING seq`),
    eraseFacts: statement(`DELETE FROM event_facts WHERE ${ofPerson} RETURNING seq`),
  };
}
