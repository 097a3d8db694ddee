import { type Dialect, type Statement, statement } from './engine.ts';
import { DELIVERED, WITH_DELIVERY } from './tracking-columns.ts';

const CANDIDATES_MAX = 10;

/** Messages that an event may be about. Without those that were never sent: staged recipients, and cancelled messages. */
const TRACKED = `sends.seq, sends.id, sends.caller, sends.status, sends.kind, sends.recipient, sends.template, sends.broadcast_id,
  sends.whatsapp_message_id, sends.sent_at, ${DELIVERED}`;
const WAS_BEGUN = 'sends.sent_at IS NOT NULL';

const FACTS = {
  seq: 'BIGINT',
  by_id: 'INTEGER',
  verdict: 'TEXT',
  whatsapp_id: 'TEXT',
  rank: 'INTEGER',
  sent: 'BIGINT',
  failed: 'BIGINT',
  delivered: 'BIGINT',
  read: 'BIGINT',
  replied: 'BIGINT',
  code: 'TEXT',
  detail: 'TEXT',
  wati_id: 'TEXT',
  source: 'TEXT',
} as const;

/** Rows that a proof turns into `accepted`. Queued and cancelled ones only if an attempt had begun. */
const BECOMES_ACCEPTED = `(sends.status = 'unknown' OR (given.by_id = 1 AND (sends.status IN ('not_sent', 'rejected')
  OR (sends.status IN ('queued', 'staged', 'cancelled') AND ${WAS_BEGUN}))))`;
/** The attempt is in progress; its end takes the proof into account. */
const IS_PROVED_WHILE_SENDING = "(sends.status = 'sending' AND given.by_id = 1)";
const STORES_PROOF = `(${IS_PROVED_WHILE_SENDING} AND sends.proof_json IS NULL)`;
const TRACKABLE = `(sends.status = 'accepted' OR ${IS_PROVED_WHILE_SENDING})`;

const ifElse = (condition: string, then: string, otherwise: string): string =>
  `CASE WHEN ${condition} THEN ${then} ELSE ${otherwise} END`;

/** The earlier of the stored and the given time, if there is any. */
const isEarlier = (kept: string, given: string): string =>
  `(given.${given} IS NOT NULL AND (deliveries.${kept} IS NULL OR given.${given} < deliveries.${kept}))`;
const earliest = (kept: string, given: string): string =>
  `${kept} = ${ifElse(isEarlier(kept, given), `given.${given}`, `deliveries.${kept}`)}`;

const TIMES = [
  ['sent_at', 'sent'],
  ['failed_at', 'failed'],
  ['delivered_at', 'delivered'],
  ['read_at', 'read'],
  ['replied_at', 'replied'],
] as const;

const IS_HIGHER = 'given.rank > deliveries.rank';
const REPLACES_SOURCE = `(${IS_HIGHER} OR (given.rank = deliveries.rank AND given.source > deliveries.source))`;

/**
 * The join of two sets of facts, as `joinFacts` in src/tracking/delivery-state.ts: change both.
 * test/store/conformance-tracking.ts holds them to each other.
 */
function joining({ bytewise }: Dialect) {
  const isLess = (given: string, kept: string) => `given.${given} ${bytewise} < ${kept}`;
  /**
   * A failure is reported while nothing better is known. Of several the earliest counts, and of two at the same moment the one
   * with the lesser code, then with the lesser detail.
   */
  const replacesFailure = `(given.code IS NOT NULL AND given.rank <= 2 AND deliveries.rank <= 2 AND (deliveries.failure_code IS NULL
    OR given.failed < deliveries.failed_at
    OR (given.failed = deliveries.failed_at AND (${isLess('code', 'deliveries.failure_code')}
      OR (given.code = deliveries.failure_code AND ${isLess('detail', 'deliveries.failure_detail')})))))`;
  const failure = (kept: string, given: string): string =>
    `${kept} = CASE WHEN given.rank > 2 THEN NULL WHEN ${replacesFailure} THEN given.${given} ELSE deliveries.${kept} END`;
  const learnsId = (given: string, kept: string): string =>
    `(given.${given} IS NOT NULL AND (${kept} IS NULL OR ${isLess(given, kept)}))`;
  const learnsWatiId = learnsId('wati_id', 'deliveries.wati_id');
  return {
    learnsWhatsappId: learnsId('whatsapp_id', 'sends.whatsapp_message_id'),
    joined: `rank = ${ifElse(IS_HIGHER, 'given.rank', 'deliveries.rank')},
      ${TIMES.map(([kept, given]) => earliest(kept, given)).join(', ')},
      ${failure('failure_code', 'code')}, ${failure('failure_detail', 'detail')},
      wati_id = ${ifElse(learnsWatiId, 'given.wati_id', 'deliveries.wati_id')},
      source = ${ifElse(REPLACES_SOURCE, 'given.source', 'deliveries.source')},
      updated_at = CAST(:wall AS BIGINT)`,
    /** Nothing is written if nothing is new. */
    changesDelivery: [
      ...[
        IS_HIGHER,
        ...TIMES.map(([kept, given]) => isEarlier(kept, given)),
        replacesFailure,
        REPLACES_SOURCE,
        learnsWatiId,
      ],
    ].join(' OR '),
  };
}

export interface TrackingStatements {
  readonly find: Statement;
  readonly findByContent: Statement;
  readonly lockMessages: Statement;
  readonly readBefore: Statement;
  readonly recordProof: Statement;
  readonly createDelivery: Statement;
  readonly joinFacts: Statement;
  readonly counts: Statement;
  readonly lastSend: Statement;
  readonly lastSendOf: Statement;
}

export function trackingStatements(dialect: Dialect): TrackingStatements {
  return { ...lookups(dialect), ...applying(dialect), ...counting };
}

function lookups({ inputRows, lateralJoin }: Dialect) {
  const ids = inputRows({ place: 'INTEGER', local: 'TEXT', whatsapp: 'TEXT', wati: 'TEXT' });
  // A subquery per given row: if the planner expects a column to be empty, it would otherwise scan the whole index.
  const found = (foundBy: string, condition: string): string => `
    SELECT given.place, '${foundBy}' AS found_by, ${TRACKED}
    FROM ${ids} ${lateralJoin(`${condition} LIMIT ${CANDIDATES_MAX}`)} ${WITH_DELIVERY}
    WHERE sends.connection_id = :connection AND ${WAS_BEGUN}`;
  const kinds = inputRows({ kind: 'TEXT' });
  const lastSend = (whose: string): string => `
    SELECT seq, id, caller, recipient, sent_at FROM sends
    WHERE recipient = :recipient AND sent_at IS NOT NULL AND sent_at BETWEEN :since AND :until AND connection_id = :connection
      AND status IN ('accepted', 'unknown') AND (:every = 1 OR kind IN (SELECT given.kind FROM ${kinds})) ${whose}
    ORDER BY sent_at DESC LIMIT 1`;
  return {
    find: statement(
      [
        found('local-id', 'id = given.local'),
        found('local-id', 'local_message_id = given.local AND local_message_id <> id'),
        found('whatsapp-id', 'whatsapp_message_id = given.whatsapp AND whatsapp_message_id IS NOT NULL'),
        found(
          'wati-id',
          `seq IN (SELECT send_seq FROM deliveries AS named
             WHERE named.wati_id = given.wati AND named.wati_id IS NOT NULL LIMIT ${CANDIDATES_MAX})`,
        ),
      ].join(' UNION ALL '),
    ),
    findByContent: statement(`
      SELECT 'content' AS found_by, ${TRACKED} FROM sends ${WITH_DELIVERY}
      WHERE sends.recipient = :recipient AND sends.sent_at IS NOT NULL AND sends.sent_at BETWEEN :since AND :until
        AND sends.template = :template AND sends.connection_id = :connection AND sends.whatsapp_message_id IS NULL
      ORDER BY sends.sent_at LIMIT ${CANDIDATES_MAX}`),
    lastSend: statement(lastSend('')),
    lastSendOf: statement(lastSend('AND caller = :caller')),
  };
}

function applying(dialect: Dialect) {
  const { now, lockMessages, inputRows } = dialect;
  const { joined, changesDelivery, learnsWhatsappId } = joining(dialect);
  const facts = inputRows(FACTS);
  const these = `sends.seq IN (SELECT given.seq FROM ${facts})`;
  return {
    lockMessages: statement(`SELECT sends.seq FROM sends WHERE ${these} ORDER BY sends.seq ${lockMessages}`),
    readBefore: statement(`
      SELECT sends.seq, sends.status, ${DELIVERED} FROM sends ${WITH_DELIVERY} WHERE ${these}`),
    recordProof: statement(`
      UPDATE sends SET status = ${ifElse(BECOMES_ACCEPTED, "'accepted'", 'sends.status')},
        verdict_json = ${ifElse(BECOMES_ACCEPTED, 'given.verdict', 'sends.verdict_json')},
        failure_code = ${ifElse(BECOMES_ACCEPTED, 'NULL', 'sends.failure_code')},
        failure_detail = ${ifElse(BECOMES_ACCEPTED, 'NULL', 'sends.failure_detail')},
        call_json = ${ifElse(BECOMES_ACCEPTED, 'NULL', 'sends.call_json')},
        ended_at = ${ifElse(BECOMES_ACCEPTED, now, 'sends.ended_at')},
        looks = ${ifElse(BECOMES_ACCEPTED, '0', 'sends.looks')},
        next_look_at = ${ifElse(BECOMES_ACCEPTED, 'NULL', 'sends.next_look_at')},
        updated_at = ${ifElse(BECOMES_ACCEPTED, 'CAST(:wall AS BIGINT)', 'sends.updated_at')},
        proof_json = ${ifElse(STORES_PROOF, 'given.verdict', 'sends.proof_json')},
        whatsapp_message_id = ${ifElse(learnsWhatsappId, 'given.whatsapp_id', 'sends.whatsapp_message_id')}
      FROM ${facts}
      WHERE sends.seq = given.seq AND (${BECOMES_ACCEPTED} OR ${STORES_PROOF}
        OR (${TRACKABLE} AND ${learnsWhatsappId}))
      RETURNING sends.seq, sends.status`),
    // Inserted at rank 0: only updates change the tallies, so all statements lock tally rows in the same order. COALESCE keeps the
    // planner on the index of numbers: it may expect so few trackable messages that it would look for them first.
    createDelivery: statement(`
      INSERT INTO deliveries (send_seq, caller, broadcast_id, rank, source, updated_at)
      SELECT sends.seq, sends.caller, sends.broadcast_id, 0, given.source, CAST(:wall AS BIGINT)
      FROM ${facts} JOIN sends ON sends.seq = given.seq WHERE COALESCE(${TRACKABLE}, FALSE)
      ON CONFLICT DO NOTHING RETURNING send_seq, rank AS delivery_rank, source AS delivery_source,
        updated_at AS delivery_updated_at`),
    joinFacts: statement(`
      UPDATE deliveries SET ${joined} FROM ${facts} WHERE deliveries.send_seq = given.seq AND (${changesDelivery})
      RETURNING send_seq, ${DELIVERED}`),
  };
}

const counting = { counts: statement('SELECT status, n FROM delivery_tallies WHERE broadcast_id = :id') };
