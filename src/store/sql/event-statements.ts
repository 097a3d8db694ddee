import { randomBytes } from 'node:crypto';
import { type Dialect, type Statement, type Step, statement } from './engine.ts';
import { FACT_COLUMNS } from './event-row.ts';
import { VISIBLE_COLUMNS } from './message-columns.ts';
import { DELIVERED, WITH_DELIVERY } from './tracking-columns.ts';

/** Rows that one page looks at to find those of the types that are asked for. */
export const SCANNED_MAX = 2_000;
/** Times of neighbours are out of order by no more rows. */
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

/** The first that locks it makes the row, with an epoch of its own. */
export const lockNumbersStep = ({ lockNumbers }: Pick<EventStatements, 'lockNumbers'>): Step => ({
  statement: lockNumbers,
  values: { epoch: randomBytes(EPOCH_BYTES).toString('base64url') },
});

function subscribing({ inputRows, skipLockedAny }: Dialect) {
  const given = inputRows({ caller: 'TEXT', type: 'TEXT' });
  return {
    subscriptions: statement('SELECT caller, type FROM event_subscriptions ORDER BY caller, type'),
    unsubscribe: statement(
      `DELETE FROM event_subscriptions WHERE (caller, type) NOT IN (SELECT given.caller, given.type FROM ${given})`,
    ),
    subscribe: statement(`
      INSERT INTO event_subscriptions (caller, type) SELECT given.caller, given.type FROM ${given}
      WHERE TRUE ON CONFLICT DO NOTHING`),
    // Nobody would make events of them. What is locked goes with its message.
    dropUnasked: statement(`
      DELETE FROM event_facts WHERE seq IN
        (SELECT seq FROM event_facts WHERE (caller, type) NOT IN (SELECT caller, type FROM event_subscriptions)
         ${skipLockedAny})`),
  };
}

function recording({ now, inputRows, skipLockedAny }: Dialect) {
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
  const isKnown = 'EXISTS (SELECT 1 FROM events WHERE events.caller = given.caller AND events.fact = given.fact)';
  return {
    addFacts: statement(`
      INSERT INTO event_facts (caller, connection_id, type, fact, at, contact, send_seq, detail_json)
      SELECT given.caller, given.connection, given.type, given.fact, given.at, given.contact, given.send_seq, given.detail
      FROM ${facts} JOIN event_subscriptions AS asked ON asked.caller = given.caller AND asked.type = given.type
      WHERE NOT ${isKnown}
        AND (given.send_seq IS NULL OR EXISTS (SELECT 1 FROM sends WHERE sends.seq = given.send_seq))
      ORDER BY given.place`),
    pending: statement(`
      SELECT ${FACT_COLUMNS}, ${VISIBLE_COLUMNS}, ${DELIVERED}
      FROM (SELECT * FROM event_facts ORDER BY seq LIMIT :limit) AS event_facts
        LEFT JOIN sends ON sends.seq = event_facts.send_seq ${WITH_DELIVERY}
      ORDER BY event_facts.seq`),
    // Held until the commit: whoever comes next sees what is recorded here, and counts on from it.
    lockNumbers: statement(`
      INSERT INTO event_numbers (id, epoch, last) VALUES (1, :epoch, 0)
      ON CONFLICT (id) DO UPDATE SET last = event_numbers.last`),
    insert: statement(`
      INSERT INTO events (seq, id, caller, connection_id, type, fact, contact, at, recorded_at, data)
      SELECT numbers.last + ROW_NUMBER() OVER (ORDER BY given.place), given.id, given.caller, given.connection, given.type,
        given.fact, COALESCE(given.contact, event_facts.contact), given.at, ${now}, given.data
      FROM ${events} JOIN event_facts ON event_facts.seq = given.fact_seq CROSS JOIN event_numbers AS numbers
      WHERE NOT ${isKnown}
      ON CONFLICT DO NOTHING RETURNING seq, id, contact`),
    advance: statement(`
      UPDATE event_numbers SET last = newest.seq FROM (SELECT MAX(seq) AS seq FROM events) AS newest
      WHERE event_numbers.last < newest.seq`),
    // What is locked goes with its message.
    takeOut: statement(`
      DELETE FROM event_facts WHERE seq IN
        (SELECT seq FROM event_facts WHERE seq IN (SELECT given.seq FROM ${inputRows({ seq: 'BIGINT' })}) ${skipLockedAny})`),
  };
}

function reading({ inputRows, among, newestOfEach }: Dialect) {
  const callers = inputRows({ caller: 'TEXT' });
  return {
    positions: statement(`
      SELECT epoch, last, COALESCE((SELECT seq FROM event_purges WHERE caller = :caller), 0) AS purged FROM event_numbers`),
    // The end of what was looked at comes with it, whatever was found.
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
    find: statement(`SELECT ${EVENT} FROM events WHERE id = :id AND caller = :caller`),
    newOfAll: statement(`
      SELECT ${EVENT} FROM events
      WHERE events.seq ${among(`SELECT theirs.seq FROM ${newestOfEach(callers)} ORDER BY theirs.seq LIMIT :limit`)}
      ORDER BY events.seq`),
    // Times are not quite in the order of the numbers: nothing that is later may be left behind.
    before: statement(`
      SELECT seq FROM events WHERE caller = :caller AND seq < COALESCE(
        (SELECT MIN(seq) FROM
           (SELECT seq FROM events WHERE caller = :caller AND at > :at ORDER BY at, seq LIMIT ${DISORDER_MAX}) AS later),
        ${Number.MAX_SAFE_INTEGER})
      ORDER BY seq DESC LIMIT 1`),
  };
}

function forgetting({ now, among, inputRows, skipLockedAny }: Dialect) {
  // The oldest have the lowest numbers: no index of their age is needed.
  const old = `recorded_at <= ${now} - CAST(:eventRetentionMs AS BIGINT)`;
  const oldest = `(SELECT seq, caller, recorded_at FROM events ORDER BY seq LIMIT :limit)`;
  const ofPerson = `contact IS NOT NULL AND contact ${among(`SELECT given.contact FROM ${inputRows({ contact: 'TEXT' })}`)}`;
  return {
    // In the order of the callers, so that no two processes wait for each other's.
    notePurged: statement(`
      INSERT INTO event_purges AS purged (caller, seq)
      SELECT oldest.caller, MAX(oldest.seq) FROM ${oldest} AS oldest WHERE ${old} GROUP BY oldest.caller ORDER BY oldest.caller
      ON CONFLICT (caller) DO UPDATE SET seq = excluded.seq WHERE excluded.seq > purged.seq`),
    // Only what was noted, also where another process deletes at the same time.
    expire: statement(`
      WITH old AS MATERIALIZED
        (SELECT events.seq AS old_seq FROM events
         WHERE events.seq IN (SELECT oldest.seq FROM ${oldest} AS oldest WHERE ${old})
           AND events.seq <= (SELECT purged.seq FROM event_purges AS purged WHERE purged.caller = events.caller)
         ORDER BY events.seq ${skipLockedAny})
      DELETE FROM events WHERE seq IN (SELECT old_seq FROM old) RETURNING seq`),
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
