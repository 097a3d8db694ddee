import { forgetFingerprints } from './content-mac.ts';
import { type Dialect, type Statement, statement } from './engine.ts';
import { type AttemptEnd, endUnlessProved } from './proof.ts';
import { wasCharged } from './quotas.ts';
import { DELIVERED, WITH_DELIVERY } from './tracking-columns.ts';

const MINUTE_MS = 60_000;

export const COLUMNS = `seq, id, caller, kind, recipient, connection_id, template, local_message_id, whatsapp_message_id,
  idem_route, idem_key, content_mac, fingerprint, broadcast_id, resend_of, status, attempts, failure_code, failure_detail,
  verdict_json, sent_at, created_at, updated_at, call_json, file_name, channel`;

export interface Statements {
  readonly insert: Statement;
  /** Behind a charge in the same transaction. */
  readonly insertCharged: Statement;
  readonly claim: Statement;
  readonly requeue: Statement;
  readonly complete: Statement;
  readonly claimAll: Statement;
  readonly requeueAll: Statement;
  readonly completeAll: Statement;
  readonly markReconciled: Statement;
  readonly insertTombstones: Statement;
  readonly deleteInDoubt: Statement;
  readonly find: Statement;
  readonly findByKey: Statement;
  readonly findResend: Statement;
  readonly fence: readonly Statement[];
  readonly markOrphansUnknown: Statement;
  readonly failOrphanStreams: Statement;
  readonly listQueues: Statement;
  readonly listQueuesAfter: Statement;
  readonly adoptOrphans: Statement;
  readonly listOwnQueued: Statement;
  readonly countQueued: Statement;
  readonly countQueuedOf: Statement;
  readonly pin: Statement;
  readonly findPin: Statement;
  readonly replacePin: Statement;
  readonly releaseKeys: Statement;
  readonly forgetFingerprints: Statement;
  readonly deleteExpired: Statement;
  readonly releaseBroadcastKeys: Statement;
  readonly deleteExpiredBroadcasts: Statement;
  readonly deleteUnsent: Statement;
  readonly countLookalikes: Statement;
  readonly counts: Statement;
  readonly check: Statement;
}

/** Holds for a recipient whose broadcast is in one of these states. */
export const broadcastIsIn = (states: string): string =>
  `EXISTS (SELECT 1 FROM broadcasts WHERE broadcasts.id = sends.broadcast_id AND broadcasts.status IN (${states}))`;

const VISIBLE_STATUS = `CASE WHEN sends.status <> 'staged' THEN sends.status
  WHEN ${broadcastIsIn("'cancelled'")} THEN 'cancelled' ELSE 'queued' END AS status`;

/** The columns, and the status as the caller sees it, for whom `staged` is no word (src/store/sql/broadcast-schema.ts). */
export const VISIBLE_COLUMNS = COLUMNS.split(',')
  .map((column) => (column.trim() === 'status' ? VISIBLE_STATUS : `sends.${column.trim()}`))
  .join(', ');

/** What a completion says, as it is given to `complete` by parameters and to `completeAll` by rows. */
const COMPLETION = {
  id: 'TEXT',
  status: 'TEXT',
  local_id: 'TEXT',
  whatsapp_id: 'TEXT',
  code: 'TEXT',
  detail: 'TEXT',
  verdict: 'TEXT',
  mac: 'TEXT',
  content: 'TEXT',
  lost_call: 'TEXT',
  place: 'INTEGER',
  wall: 'BIGINT',
} as const;

/** Claim and completion of one row or of many, in the same words. */
function transitions({ now, ownerIsDead, leaseIsValid }: Dialect) {
  return {
    // The fence: one statement asks for the state, the owner (whose number is its epoch) and the lease.
    begin: {
      set: (attempt: string) => `status = 'sending', attempts = ${attempt}, sent_at = :wall, updated_at = :wall,
        channel_attempt = CASE WHEN channel_attempt IS NOT NULL THEN ${attempt} END`,
      where: (attempt: string) => `owner = :me AND ${leaseIsValid}
        AND ((status = 'queued' AND attempts = ${attempt} - 1) OR (status = 'sending' AND attempts = ${attempt}))`,
    },

    retreat: {
      // A recipient goes back to where any process may claim it, unless its broadcast was paused or cancelled.
      set: `${endUnlessProved(
        {
          ...AS_IT_IS,
          status: "CASE WHEN broadcast_id IS NULL THEN 'queued' ELSE 'staged' END",
        },
        now,
      )}, updated_at = :wall`,
      // Of this attempt alone: asked again after its answer was lost, it may find the next one on the wire.
      where: (attempt: string) => `status IN ('sending', 'queued', 'staged') AND attempts = ${attempt} AND owner = :me`,
    },

    // A cancel may come from any process but never touches `sending`. All else is for the owner to say:
    // a process that lost its row must not end what its successor is sending. From `unknown`, a late answer is the truth.
    settle: {
      set: (given: (name: keyof typeof COMPLETION) => string) => `${endUnlessProved(
        {
          status: given('status'),
          code: given('code'),
          detail: given('detail'),
          verdict: given('verdict'),
          call: `CASE WHEN ${given('status')} IN ('accepted', 'rejected', 'cancelled') THEN NULL ELSE call_json END`,
          endedAt: now,
          nextLookAt: `CASE WHEN ${given('status')} = 'unknown' THEN ${now} + ${MINUTE_MS} + CAST(${given('place')} AS INTEGER) END`,
          lostCall: given('lost_call'),
        },
        now,
        `${given('status')} = 'accepted'`,
      )},
        local_message_id = COALESCE(${given('local_id')}, local_message_id),
        whatsapp_message_id = COALESCE(${given('whatsapp_id')}, whatsapp_message_id),
        content_mac = COALESCE(${given('mac')}, content_mac), fingerprint = COALESCE(${given('content')}, fingerprint),
        looks = 0, look_place = CAST(${given('place')} AS INTEGER), looked_at = NULL,
        updated_at = ${given('wall')}`,
      where: (status: string) => `(
        ((sends.status = 'queued' OR (sends.status = 'staged' AND ${broadcastIsIn("'running', 'paused'")}))
          AND (${status} = 'cancelled' OR owner = :me OR ${ownerIsDead}))
        OR (sends.status = 'sending' AND ${status} <> 'cancelled' AND (owner = :me OR ${ownerIsDead}))
        OR (sends.status = 'unknown' AND ${status} NOT IN ('unknown', 'cancelled')))`,
    },
  };
}

/** Of an attempt that is to be repeated. */
const AS_IT_IS: Omit<AttemptEnd, 'status'> = {
  code: 'failure_code',
  detail: 'failure_detail',
  verdict: 'verdict_json',
  call: 'call_json',
  endedAt: 'ended_at',
  nextLookAt: 'next_look_at',
  lostCall: 'lost_call',
};

const QUEUE = 'caller, connection_id, owner';

/**
 * The first row behind a place in the order of these columns. A step for each column, because SQLite uses only the first one
 * of a comparison of rows, and would walk over all that is queued of a caller.
 */
export function firstAfter(rows: string, columns: readonly string[], place: (column: string) => string): string {
  const steps = columns.map((column, at) => {
    const same = columns.slice(0, at).map((before) => `AND later.${before} = ${place(before)}`);
    const order = [...columns.slice(at), 'seq'].map((each) => `later.${each}`);
    return `(SELECT later.seq FROM ${rows} ${same.join(' ')} AND later.${column} > ${place(column)}
      ORDER BY ${order.join(', ')} LIMIT 1)`;
  });
  return `COALESCE(${steps.reverse().join(', ')})`;
}

const queueAfter = (place: (column: string) => string): string =>
  firstAfter("sends AS later WHERE later.status = 'queued'", ['caller', 'connection_id', 'owner'], place);

/** The first row of each lane, found by a step in the index from lane to lane: nothing of what is queued is walked over. */
const queues = (first: string, lost: string): string => `
  WITH RECURSIVE firsts (first_seq) AS (
    SELECT (${first})
    UNION ALL
    SELECT ${queueAfter((column) => `here.${column}`)} FROM firsts JOIN sends AS here ON here.seq = firsts.first_seq
  )
  SELECT ${QUEUE}, CASE WHEN owner = :me THEN 'own' WHEN ${lost} THEN 'orphaned' ELSE 'other' END AS ownership
  FROM (SELECT first_seq FROM firsts LIMIT :limit) AS page JOIN sends ON sends.seq = page.first_seq
  ORDER BY ${QUEUE}`;

export function statements(dialect: Dialect): Statements {
  const { now, ownerIsDead: lost, leaseIsValid: leased, skipLocked, skipLockedBroadcasts } = dialect;
  const becomesUnknown = endUnlessProved(
    {
      status: "'unknown'",
      code: "'owner-died'",
      detail: ':detail',
      verdict: 'verdict_json',
      call: 'call_json',
      endedAt: now,
      nextLookAt: `${now} + ${MINUTE_MS} + placed.place`,
      lostCall: "CASE WHEN broadcast_id IS NOT NULL THEN broadcast_id || ' ' || sent_at END",
    },
    now,
  );
  const { begin, retreat, settle } = transitions(dialect);
  const resendable = "status IN ('unknown', 'not_sent')";
  const insert = (condition: string) => `
      INSERT INTO sends (id, caller, kind, recipient, connection_id, template, local_message_id, idem_route, idem_key,
        content_mac, fingerprint, resend_of, status, owner, created_at, updated_at, call_json, file_name, channel,
        channel_attempt)
      SELECT :id, :caller, :kind, :recipient, :connectionId, :template, :localMessageId, :route, :key,
        :contentMac, :fingerprint, :resendOf, 'queued', :me, :wall, :wall, :call, :fileName, :channel, :channelAttempt
      WHERE ${condition}
        AND (CAST(:resendOf AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM sends WHERE id = :resendOf AND ${resendable}))
      ON CONFLICT DO NOTHING RETURNING seq`;
  return {
    // What is sent again must be in doubt still, or not sent, in the moment in which that is decided.
    insert: statement(insert('TRUE')),
    insertCharged: statement(insert(wasCharged(':caller'))),

    claim: statement(
      `UPDATE sends SET ${begin.set(':attempt')} WHERE id = :id AND ${begin.where(':attempt')} RETURNING seq`,
    ),
    claimAll: statement(`
      UPDATE sends SET ${begin.set('given.attempt')}
      FROM ${dialect.inputRows({ id: 'TEXT', attempt: 'INTEGER' })}
      WHERE sends.id = given.id AND ${begin.where('given.attempt')} RETURNING sends.id`),

    requeue: statement(
      `UPDATE sends SET ${retreat.set} WHERE id = :id AND ${retreat.where(':attempt')} RETURNING seq, status`,
    ),
    requeueAll: statement(`
      UPDATE sends SET ${retreat.set} FROM ${dialect.inputRows({ id: 'TEXT', attempt: 'INTEGER' })}
      WHERE sends.id = given.id AND ${retreat.where('given.attempt')} RETURNING sends.id, sends.status`),

    complete: statement(`
      UPDATE sends SET ${settle.set((name) => `:${name}`)} WHERE id = :id AND ${settle.where(':status')} RETURNING seq, status`),
    completeAll: statement(`
      UPDATE sends SET ${settle.set((name) => `given.${name}`)} FROM ${dialect.inputRows(COMPLETION)}
      WHERE sends.id = given.id AND ${settle.where('given.status')} RETURNING sends.id, sends.status`),

    markReconciled: statement(`
      UPDATE sends SET status = 'accepted',
        local_message_id = COALESCE(:localMessageId, local_message_id),
        whatsapp_message_id = COALESCE(:whatsappMessageId, whatsapp_message_id),
        failure_code = NULL, failure_detail = NULL, verdict_json = :verdict, call_json = NULL,
        ended_at = ${now}, looks = 0, next_look_at = NULL, updated_at = :wall
      WHERE id = :id AND status = 'unknown' RETURNING seq`),

    // What nothing is kept of may have been the same. Two questions, because one with OR would not use the index on
    // recipient and sent_at.
    countLookalikes: statement(`
      SELECT
        (SELECT COUNT(*) FROM sends WHERE id <> :id AND sent_at BETWEEN :since AND :until
           AND recipient = :recipient
           AND (content_mac = :contentMac OR fingerprint = :fingerprint OR template = :template
             OR (:fingerprint = '' AND kind = 'text')
             OR COALESCE(channel, '') <> COALESCE(CAST(:channel AS TEXT), '')
             OR (template IS NULL AND kind = :kind AND connection_id = :connection
               AND content_mac IS NULL AND fingerprint IS NULL)))
        + (SELECT COUNT(*) FROM sends WHERE id <> :id AND sent_at BETWEEN :since AND :until
           AND recipient IS NULL AND template = :template) AS n`),
    deleteUnsent: statement(`
      DELETE FROM sends WHERE id = :id AND owner = :me AND status IN ('queued', 'sending') AND broadcast_id IS NULL`),
    // Of no caller, so that no verb finds it, and purged as any record is (src/store/sql/in-doubt.ts).
    insertTombstones: statement(`
      INSERT INTO sends (id, caller, kind, connection_id, status, owner, created_at, updated_at, ended_at)
      SELECT given.id, '', 'text', '', 'withdrawn', :me, :wall, :wall, ${now} FROM ${dialect.inputRows({ id: 'TEXT' })}
      WHERE TRUE ON CONFLICT (id) DO NOTHING`),
    deleteInDoubt: statement(`
      DELETE FROM sends WHERE id IN (SELECT given.id FROM ${dialect.inputRows({ id: 'TEXT' })})
        AND status = 'queued' AND attempts = 0`),

    find: statement(`
      SELECT ${VISIBLE_COLUMNS}, ${DELIVERED} FROM sends ${WITH_DELIVERY} WHERE sends.id = :id AND sends.caller = :caller
        AND (sends.status <> 'staged' OR ${broadcastIsIn("'running', 'paused', 'cancelled'")})`),
    findByKey: statement(`
      SELECT ${VISIBLE_COLUMNS}, ${DELIVERED} FROM sends ${WITH_DELIVERY}
      WHERE sends.caller = :caller AND idem_route = :route AND idem_key = :key`),
    // Why a send may not be repeated: its child, or how it stands itself.
    findResend: statement(`
      SELECT ${COLUMNS} FROM sends WHERE caller = :caller AND resend_of = :resendOf
      UNION ALL SELECT ${COLUMNS} FROM sends WHERE caller = :caller AND id = :resendOf AND NOT ${resendable}
      ORDER BY seq DESC LIMIT 1`),

    fence: dialect.fence.map(statement),
    markOrphansUnknown: statement(`
      WITH orphans AS MATERIALIZED
        (SELECT seq AS orphan, COALESCE(broadcast_id, id) AS shared, sent_at AS shared_at FROM sends
         WHERE status = 'sending' AND owner IN (${dialect.deadOwners('sending')}) ${skipLocked}),
      placed AS
        (SELECT orphan, ROW_NUMBER() OVER (PARTITION BY shared, shared_at ORDER BY orphan) - 1 AS place FROM orphans)
      UPDATE sends SET ${becomesUnknown}, looks = 0, look_place = placed.place, updated_at = :wall
      FROM placed WHERE sends.seq = placed.orphan RETURNING sends.seq, sends.status`),
    failOrphanStreams: statement(`
      WITH orphans AS MATERIALIZED
        (SELECT seq AS orphan FROM sends
         WHERE status = 'queued' AND call_json IS NULL AND owner IN (${dialect.deadOwners('streams')}) ${skipLocked})
      UPDATE sends SET status = 'not_sent', ended_at = ${now}, failure_code = 'stream-lost', failure_detail = :detail,
        updated_at = :wall
      WHERE seq IN (SELECT orphan FROM orphans) RETURNING seq`),
    listQueues: statement(queues(`SELECT seq FROM sends WHERE status = 'queued' ORDER BY ${QUEUE}, seq LIMIT 1`, lost)),
    listQueuesAfter: statement(queues(`SELECT ${queueAfter((column) => `:${column}`)}`, lost)),
    // Given to the owner in full: the index leads to the oldest of them, past those of all other owners.
    adoptOrphans: statement(`
      WITH orphans AS MATERIALIZED
        (SELECT seq AS orphan FROM sends
         WHERE status = 'queued' AND caller = :caller AND connection_id = :connection AND owner = :owner
           AND call_json IS NOT NULL AND ${lost} AND ${leased}
         ORDER BY seq LIMIT :limit ${skipLocked})
      UPDATE sends SET owner = :me WHERE seq IN (SELECT orphan FROM orphans) RETURNING seq`),
    listOwnQueued: statement(`
      SELECT ${COLUMNS} FROM sends
      WHERE status = 'queued' AND caller = :caller AND connection_id = :connection AND owner = :me
        AND call_json IS NOT NULL AND id NOT IN (SELECT given.id FROM ${dialect.inputRows({ id: 'TEXT' })})
      ORDER BY seq LIMIT :limit`),
    countQueued: statement(
      `SELECT COUNT(*) AS n FROM (SELECT 1 FROM sends WHERE status = 'queued' LIMIT :limit) AS counted`,
    ),
    countQueuedOf: statement(`
      SELECT COUNT(*) AS n FROM (SELECT 1 FROM sends WHERE status = 'queued' AND caller = :caller LIMIT :limit) AS counted`),

    pin: statement(`
      INSERT INTO pins (name, value) VALUES (:name, :value)
      ON CONFLICT (name) DO UPDATE SET value = pins.value RETURNING value`),
    findPin: statement('SELECT value FROM pins WHERE name = :name'),
    replacePin: statement(`
      INSERT INTO pins (name, value) VALUES (:name, :value)
      ON CONFLICT (name) DO UPDATE SET value = excluded.value RETURNING value`),

    releaseKeys: statement(`
      WITH old AS MATERIALIZED
        (SELECT seq AS old_seq FROM sends
         WHERE ended_at IS NOT NULL AND (idem_key IS NOT NULL OR call_json IS NOT NULL)
           AND ended_at <= ${now} - CASE WHEN status = 'unknown' THEN CAST(:unknownRetentionMs AS BIGINT) ELSE CAST(:keyRetentionMs AS BIGINT) END
           AND ended_at <= ${now} - :shorterRetentionMs
         ORDER BY ended_at LIMIT :limit ${skipLocked})
      UPDATE sends SET idem_route = NULL, idem_key = NULL, content_mac = NULL, fingerprint = NULL, call_json = NULL
      WHERE seq IN (SELECT old_seq FROM old) RETURNING seq`),
    forgetFingerprints: forgetFingerprints(dialect),
    deleteExpired: statement(`
      WITH old AS MATERIALIZED
        (SELECT seq AS old_seq FROM sends
         WHERE ended_at <= ${now} - :recordRetentionMs AND idem_key IS NULL AND call_json IS NULL
         ORDER BY ended_at LIMIT :limit ${skipLocked})
      DELETE FROM sends WHERE seq IN (SELECT old_seq FROM old) RETURNING seq`),

    releaseBroadcastKeys: statement(`
      WITH old AS MATERIALIZED
        (SELECT seq AS old_seq FROM broadcasts
         WHERE ended_at <= ${now} - :keyRetentionMs AND idem_key IS NOT NULL
         ORDER BY ended_at LIMIT :limit ${skipLockedBroadcasts})
      UPDATE broadcasts SET idem_route = NULL, idem_key = NULL, content_mac = NULL, fingerprint = NULL
      WHERE seq IN (SELECT old_seq FROM old) RETURNING seq`),
    // Its recipients ended before it did, but may live longer: an unknown one that was found to be accepted.
    deleteExpiredBroadcasts: statement(`
      WITH old AS MATERIALIZED
        (SELECT seq AS old_seq FROM broadcasts
         WHERE ended_at <= ${now} - :recordRetentionMs AND idem_key IS NULL
           AND NOT EXISTS (SELECT 1 FROM sends WHERE broadcast_id = broadcasts.id AND sends.status <> 'staged')
         ORDER BY ended_at LIMIT :limit ${skipLockedBroadcasts})
      DELETE FROM broadcasts WHERE seq IN (SELECT old_seq FROM old) RETURNING seq`),

    counts: statement(`
      ${dialect.counts}
      UNION ALL
      SELECT CASE broadcasts.status WHEN 'cancelled' THEN 'cancelled' ELSE 'queued' END AS status, n
      FROM broadcasts JOIN broadcast_tallies ON broadcast_id = broadcasts.id AND broadcast_tallies.status = 'staged'
      WHERE ended_at IS NULL AND broadcasts.status IN ('running', 'paused', 'cancelled')`),
    check: statement(dialect.check),
  };
}
