import { type Dialect, type Statement, statement } from './engine.ts';

const MINUTE_MS = 60_000;

const COLUMNS = `seq, id, caller, kind, recipient, connection_id, template, local_message_id, whatsapp_message_id,
  idem_route, idem_key, fingerprint, broadcast_id, resend_of, status, attempts, failure_code, failure_detail,
  verdict_json, sent_at, created_at, updated_at, call_json`;

export interface Statements {
  readonly insert: Statement;
  readonly begin: Statement;
  readonly retreat: Statement;
  readonly settle: Statement;
  readonly beginAll: Statement;
  readonly retreatAll: Statement;
  readonly settleAll: Statement;
  readonly resolve: Statement;
  readonly withdraw: Statement;
  readonly find: Statement;
  readonly findByKey: Statement;
  readonly findChild: Statement;
  readonly fence: readonly Statement[];
  readonly orphanSending: Statement;
  readonly orphanStreams: Statement;
  readonly adopt: Statement;
  readonly look: Statement;
  readonly free: Statement;
  readonly expire: Statement;
  readonly forget: Statement;
  readonly twins: Statement;
  readonly counts: Statement;
  readonly check: Statement;
}

/** The filters that a list may have; a statement is made for the ones given, so that each can use its index. */
export function listStatement(given: {
  to: boolean;
  broadcastId: boolean;
  since: boolean;
  before: boolean;
  status: 'none' | 'accepted' | 'other';
}): Statement {
  const where = ['caller = :caller'];
  if (given.to) where.push('recipient = :to');
  if (given.broadcastId) where.push('broadcast_id = :broadcastId');
  if (given.since) where.push('created_at >= :since');
  if (given.before) where.push('seq < :before');
  if (given.status !== 'none') where.push('status = :status');
  if (given.status === 'other') where.push("status <> 'accepted'"); // the condition of the partial index
  return statement(`SELECT ${COLUMNS} FROM sends WHERE ${where.join(' AND ')} ORDER BY seq DESC LIMIT :limit`);
}

/** What a settlement says, as it is given to `settle` by parameters and to `settleAll` by rows. */
const SETTLEMENT = {
  id: 'TEXT',
  status: 'TEXT',
  local_id: 'TEXT',
  whatsapp_id: 'TEXT',
  code: 'TEXT',
  detail: 'TEXT',
  verdict: 'TEXT',
  content: 'TEXT',
  wall: 'BIGINT',
} as const;

/** The marks D2 and D3, which a verb sets on one row or on many: the same words for both. */
function marks({ now, lost, leased }: Dialect) {
  return {
    // The fence of delivery.md 2.6: one statement asks for the state, the owner (whose number is its epoch) and the lease.
    begin: {
      set: (attempt: string) => `status = 'sending', attempts = ${attempt}, sent_at = :wall, updated_at = :wall`,
      where: (attempt: string) => `owner = :me AND ${leased}
        AND ((status = 'queued' AND attempts = ${attempt} - 1) OR (status = 'sending' AND attempts = ${attempt}))`,
    },

    retreat: {
      set: "status = 'queued', updated_at = :wall",
      where: "(status = 'sending' OR (status = 'queued' AND attempts > 0)) AND owner = :me",
    },

    // A cancel may come from any process but never touches `sending` (delivery.md 2.7). All else is for the owner to say:
    // a process that lost its row must not end what its successor is sending. From `unknown`, a late answer is the truth.
    settle: {
      set: (given: (name: keyof typeof SETTLEMENT) => string) => `status = ${given('status')},
        local_message_id = COALESCE(${given('local_id')}, local_message_id),
        whatsapp_message_id = COALESCE(${given('whatsapp_id')}, whatsapp_message_id),
        failure_code = ${given('code')}, failure_detail = ${given('detail')}, verdict_json = ${given('verdict')},
        fingerprint = COALESCE(${given('content')}, fingerprint),
        call_json = CASE WHEN ${given('status')} IN ('accepted', 'rejected', 'cancelled') THEN NULL ELSE call_json END,
        ended_at = ${now}, looks = 0,
        next_look_at = CASE WHEN ${given('status')} = 'unknown' THEN ${now} + ${MINUTE_MS} END,
        updated_at = ${given('wall')}`,
      where: (status: string) => `(
        (sends.status = 'queued' AND (${status} = 'cancelled' OR owner = :me OR ${lost}))
        OR (sends.status = 'sending' AND ${status} <> 'cancelled' AND (owner = :me OR ${lost}))
        OR (sends.status = 'unknown' AND ${status} NOT IN ('unknown', 'cancelled')))`,
    },
  };
}

export function statements(dialect: Dialect): Statements {
  const { now, lost, leased, claim } = dialect;
  const becomesUnknown = `status = 'unknown', ended_at = ${now}, looks = 0, next_look_at = ${now} + ${MINUTE_MS}`;
  const { begin, retreat, settle } = marks(dialect);
  return {
    insert: statement(`
      INSERT INTO sends (id, caller, kind, recipient, connection_id, template, local_message_id, idem_route, idem_key,
        fingerprint, broadcast_id, resend_of, status, owner, created_at, updated_at, call_json)
      VALUES (:id, :caller, :kind, :recipient, :connectionId, :template, :localMessageId, :route, :key,
        :fingerprint, :broadcastId, :resendOf, 'queued', :me, :wall, :wall, :call)
      ON CONFLICT DO NOTHING RETURNING seq`),

    begin: statement(
      `UPDATE sends SET ${begin.set(':attempt')} WHERE id = :id AND ${begin.where(':attempt')} RETURNING seq`,
    ),
    beginAll: statement(`
      UPDATE sends SET ${begin.set('given.attempt')}
      FROM ${dialect.given({ id: 'TEXT', attempt: 'INTEGER' })}
      WHERE sends.id = given.id AND ${begin.where('given.attempt')} RETURNING sends.id`),

    retreat: statement(`UPDATE sends SET ${retreat.set} WHERE id = :id AND ${retreat.where} RETURNING seq`),
    retreatAll: statement(`
      UPDATE sends SET ${retreat.set} FROM ${dialect.given({ id: 'TEXT' })}
      WHERE sends.id = given.id AND ${retreat.where} RETURNING sends.id`),

    settle: statement(`
      UPDATE sends SET ${settle.set((name) => `:${name}`)} WHERE id = :id AND ${settle.where(':status')} RETURNING seq`),
    settleAll: statement(`
      UPDATE sends SET ${settle.set((name) => `given.${name}`)} FROM ${dialect.given(SETTLEMENT)}
      WHERE sends.id = given.id AND ${settle.where('given.status')} RETURNING sends.id`),

    resolve: statement(`
      UPDATE sends SET status = 'accepted',
        local_message_id = COALESCE(:localMessageId, local_message_id),
        whatsapp_message_id = COALESCE(:whatsappMessageId, whatsapp_message_id),
        failure_code = NULL, failure_detail = NULL, verdict_json = :verdict, call_json = NULL,
        ended_at = ${now}, looks = 0, next_look_at = NULL, updated_at = :wall
      WHERE id = :id AND status = 'unknown' RETURNING seq`),

    twins: statement(`
      SELECT COUNT(*) AS n FROM sends
      WHERE id <> :id AND sent_at BETWEEN :since AND :until
        AND ((recipient = :recipient AND (fingerprint = :fingerprint OR template = :template))
          OR (recipient IS NULL AND template = :template))`),
    forget: statement("DELETE FROM sends WHERE id = :id AND owner = :me AND status IN ('queued', 'sending')"),
    withdraw: statement("DELETE FROM sends WHERE id = :id AND status = 'queued' AND attempts = 0"),

    find: statement(`SELECT ${COLUMNS} FROM sends WHERE id = :id AND caller = :caller`),
    findByKey: statement(
      `SELECT ${COLUMNS} FROM sends WHERE caller = :caller AND idem_route = :route AND idem_key = :key`,
    ),
    findChild: statement(`SELECT ${COLUMNS} FROM sends WHERE caller = :caller AND resend_of = :resendOf`),

    fence: dialect.fence.map(statement),
    orphanSending: statement(`
      WITH orphans AS MATERIALIZED (SELECT seq AS orphan FROM sends WHERE status = 'sending' AND ${lost} ${claim})
      UPDATE sends SET ${becomesUnknown}, failure_code = 'owner-died', failure_detail = :detail, updated_at = :wall
      WHERE seq IN (SELECT orphan FROM orphans) RETURNING seq`),
    orphanStreams: statement(`
      WITH orphans AS MATERIALIZED
        (SELECT seq AS orphan FROM sends WHERE status = 'queued' AND call_json IS NULL AND ${lost} ${claim})
      UPDATE sends SET status = 'not_sent', ended_at = ${now}, failure_code = 'stream-lost', failure_detail = :detail,
        updated_at = :wall
      WHERE seq IN (SELECT orphan FROM orphans) RETURNING seq`),
    adopt: statement(`
      WITH orphans AS MATERIALIZED
        (SELECT seq AS orphan FROM sends WHERE status = 'queued' AND call_json IS NOT NULL AND ${lost} AND ${leased}
         ORDER BY seq LIMIT :limit ${claim})
      UPDATE sends SET owner = :me WHERE seq IN (SELECT orphan FROM orphans) RETURNING ${COLUMNS}`),

    // Slots: 1, 5, 15, 60 minutes after the end (delivery.md 2.8). The slot moves on in the statement that hands it out.
    look: statement(`
      WITH due AS MATERIALIZED
        (SELECT seq AS due_seq FROM sends WHERE next_look_at <= ${now} AND status = 'unknown'
         ORDER BY next_look_at LIMIT :limit ${claim})
      UPDATE sends SET looks = looks + 1, next_look_at = ended_at +
        CASE looks WHEN 0 THEN ${5 * MINUTE_MS} WHEN 1 THEN ${15 * MINUTE_MS} WHEN 2 THEN ${60 * MINUTE_MS} END
      WHERE seq IN (SELECT due_seq FROM due) RETURNING ${COLUMNS}`),

    free: statement(`
      WITH old AS MATERIALIZED
        (SELECT seq AS old_seq FROM sends
         WHERE ended_at IS NOT NULL AND (idem_key IS NOT NULL OR call_json IS NOT NULL)
           AND ended_at <= ${now} - CASE WHEN status = 'unknown' THEN CAST(:unknownRetentionMs AS BIGINT) ELSE CAST(:keyRetentionMs AS BIGINT) END
           AND ended_at <= ${now} - :shorterRetentionMs
         ORDER BY ended_at LIMIT :limit ${claim})
      UPDATE sends SET idem_route = NULL, idem_key = NULL, fingerprint = NULL, call_json = NULL
      WHERE seq IN (SELECT old_seq FROM old) RETURNING seq`),
    expire: statement(`
      WITH old AS MATERIALIZED
        (SELECT seq AS old_seq FROM sends
         WHERE ended_at <= ${now} - :recordRetentionMs AND idem_key IS NULL AND call_json IS NULL
         ORDER BY ended_at LIMIT :limit ${claim})
      DELETE FROM sends WHERE seq IN (SELECT old_seq FROM old) RETURNING seq`),

    counts: statement(dialect.counts),
    check: statement(dialect.check),
  };
}
