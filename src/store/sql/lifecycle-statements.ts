import { type Dialect, plannedOnce, statement } from './engine.ts';
import { broadcastIsIn, TOMBSTONE } from './message-columns.ts';
import { type AttemptEnd, endUnlessProved } from './proof.ts';
import { wasCharged } from './quotas.ts';

const MINUTE_MS = 60_000;

/** Whether the message may be resent. The insert itself checks it, because a late answer may change the message after it was read. */
export const RESENDABLE = "status IN ('unknown', 'not_sent')";

/** Parameters of `complete`, and columns of the input rows of `completeAll`. */
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

/** Values that leave the columns as they are: the attempt will be repeated. */
const AS_IT_IS: Omit<AttemptEnd, 'status'> = {
  code: 'failure_code',
  detail: 'failure_detail',
  verdict: 'verdict_json',
  call: 'call_json',
  endedAt: 'ended_at',
  nextLookAt: 'next_look_at',
  lostCall: 'lost_call',
};

/** SET and WHERE of each transition, shared by the statements for one row and for many. */
function transitions({ now, wallNow, ownerIsDead, leaseIsValid }: Dialect) {
  return {
    // Fencing: one statement checks the state, the owner (whose id is the epoch) and the lease. Two replicas can never both
    // claim a message.
    claim: {
      set: (attempt: string) => `status = 'sending', attempts = ${attempt}, sent_at = :wall, updated_at = :wall,
        channel_attempt = CASE WHEN channel_attempt IS NOT NULL THEN ${attempt} END`,
      where: (attempt: string) => `owner = :me AND ${leaseIsValid}
        AND ((status = 'queued' AND attempts = ${attempt} - 1 AND (not_after IS NULL OR not_after > ${wallNow})) OR (status = 'sending' AND attempts = ${attempt}))`,
    },

    requeue: {
      // A recipient of a broadcast can then be claimed by every process again.
      set: `${endUnlessProved(
        { ...AS_IT_IS, status: "CASE WHEN broadcast_id IS NULL THEN 'queued' ELSE 'staged' END" },
        now,
      )}, updated_at = :wall`,
      // Only this attempt: when the requeue is repeated after a lost acknowledgement, the next attempt may be in flight.
      where: (attempt: string) => `status IN ('sending', 'queued', 'staged') AND attempts = ${attempt} AND owner = :me`,
    },

    // Any process may cancel, but never a message that is `sending`. Only its owner may complete it otherwise: a process that
    // lost its row must not complete what its successor is sending. A late answer replaces `unknown`.
    complete: {
      set: (given: (name: keyof typeof COMPLETION) => string) => `${endUnlessProved(
        {
          status: given('status'),
          code: given('code'),
          detail: given('detail'),
          verdict: given('verdict'),
          // A rejected recipient of a broadcast may be sent to again with the others, once the cause is fixed.
          call: `CASE WHEN ${given('status')} IN ('accepted', 'cancelled')
            OR (${given('status')} = 'rejected' AND broadcast_id IS NULL) THEN NULL ELSE call_json END`,
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
        ((sends.status IN ('queued', 'scheduled')
            OR (sends.status = 'staged' AND ${broadcastIsIn("'running', 'paused', 'scheduled'")}))
          AND (${status} = 'cancelled' OR owner = :me OR ${ownerIsDead}))
        OR (sends.status = 'sending' AND ${status} <> 'cancelled' AND (owner = :me OR ${ownerIsDead}))
        OR (sends.status = 'unknown' AND ${status} NOT IN ('unknown', 'cancelled')))`,
    },
  };
}

export function transitionStatements(dialect: Dialect) {
  const { claim, requeue, complete } = transitions(dialect);
  return {
    // Those of each send: to plan them takes longer than to run them.
    claim: plannedOnce(
      `UPDATE sends SET ${claim.set(':attempt')} WHERE id = :id AND ${claim.where(':attempt')} RETURNING seq`,
    ),
    claimAll: statement(`
      UPDATE sends SET ${claim.set('given.attempt')}
      FROM ${dialect.inputRows({ id: 'TEXT', attempt: 'INTEGER' })}
      WHERE sends.id = given.id AND ${claim.where('given.attempt')} RETURNING sends.id`),
    requeue: statement(
      `UPDATE sends SET ${requeue.set} WHERE id = :id AND ${requeue.where(':attempt')} RETURNING seq, status`,
    ),
    requeueAll: statement(`
      UPDATE sends SET ${requeue.set} FROM ${dialect.inputRows({ id: 'TEXT', attempt: 'INTEGER' })}
      WHERE sends.id = given.id AND ${requeue.where('given.attempt')} RETURNING sends.id, sends.status`),
    complete: plannedOnce(
      `UPDATE sends SET ${complete.set((name) => `:${name}`)} WHERE id = :id AND ${complete.where(':status')} RETURNING seq, status`,
    ),
    completeAll: statement(`
      UPDATE sends SET ${complete.set((name) => `given.${name}`)} FROM ${dialect.inputRows(COMPLETION)}
      WHERE sends.id = given.id AND ${complete.where('given.status')} RETURNING sends.id, sends.status`),
    markReconciled: statement(`
      UPDATE sends SET status = 'accepted',
        local_message_id = COALESCE(:localMessageId, local_message_id),
        whatsapp_message_id = COALESCE(:whatsappMessageId, whatsapp_message_id),
        failure_code = NULL, failure_detail = NULL, verdict_json = :verdict, call_json = NULL,
        ended_at = ${dialect.now}, looks = 0, next_look_at = NULL, updated_at = :wall
      WHERE id = :id AND status = 'unknown' RETURNING seq`),
  };
}

export function insertStatements(dialect: Dialect) {
  const insert = (condition: string) => `
      INSERT INTO sends (id, caller, kind, recipient, connection_id, template, local_message_id, idem_route, idem_key,
        content_mac, fingerprint, resend_of, status, owner, created_at, updated_at, call_json, file_name, channel,
        channel_attempt, reference, send_at, not_after)
      SELECT :id, :caller, :kind, :recipient, :connectionId, :template, :localMessageId, :route, :key,
        :contentMac, :fingerprint, :resendOf,
        CASE WHEN CAST(:sendAt AS BIGINT) > ${dialect.wallNow} THEN 'scheduled' ELSE 'queued' END, :me, :wall, :wall, :call, :fileName, :channel, :channelAttempt,
        :reference, :sendAt, :notAfter
      WHERE ${condition}
        AND (CAST(:resendOf AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM sends WHERE id = :resendOf AND ${RESENDABLE}))
      ON CONFLICT DO NOTHING RETURNING seq, status`;
  return {
    insert: plannedOnce(insert('TRUE')),
    /** Inserts only if the quota was charged in the same transaction. */
    insertCharged: statement(insert(wasCharged(':caller'))),
    // A tombstone has no caller, so that no operation finds it, and is purged like any record.
    insertTombstones: statement(`
      INSERT INTO sends (id, caller, kind, connection_id, status, owner, created_at, updated_at, ended_at)
      SELECT given.id, '', 'text', '', '${TOMBSTONE}', :me, :wall, :wall, ${dialect.now} FROM ${dialect.inputRows({ id: 'TEXT' })}
      WHERE TRUE ON CONFLICT (id) DO NOTHING`),
    deleteInDoubt: statement(`
      DELETE FROM sends WHERE id IN (SELECT given.id FROM ${dialect.inputRows({ id: 'TEXT' })})
        AND status IN ('queued', 'scheduled') AND attempts = 0`),
    deleteUnsent: statement(`
      DELETE FROM sends WHERE id = :id AND owner = :me AND status IN ('queued', 'sending') AND broadcast_id IS NULL
        AND proof_json IS NULL RETURNING seq`),
  };
}
