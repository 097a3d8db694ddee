import { type Dialect, plannedOnce, type Statement, statement } from './engine.ts';
import { FIRST_LOOK_MS } from './look-times.ts';
import { broadcastIsIn, TOMBSTONE } from './message-columns.ts';
import { type AttemptEnd, endUnlessProved } from './proof.ts';
import { wasCharged } from './quotas.ts';

/** Whether the message may be resent. The insert itself checks it, because a late answer may change the message after it was read. */
export const RESENDABLE = "status IN ('unknown', 'not_sent')";

/** Parameters of `insert`, and columns of the input rows of `insertAll`. */
export const INSERTED = {
  id: 'TEXT',
  caller: 'TEXT',
  kind: 'TEXT',
  recipient: 'TEXT',
  connectionId: 'TEXT',
  template: 'TEXT',
  localMessageId: 'TEXT',
  route: 'TEXT',
  key: 'TEXT',
  contentMac: 'TEXT',
  fingerprint: 'TEXT',
  resendOf: 'TEXT',
  wall: 'BIGINT',
  call: 'TEXT',
  fileName: 'TEXT',
  channel: 'TEXT',
  channelAttempt: 'INTEGER',
  reference: 'TEXT',
  sendAt: 'BIGINT',
  notAfter: 'BIGINT',
} as const;

/** Parameters of `complete`, and columns of the input rows of `completeAll`. */
export const COMPLETION = {
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

/**
 * SET and WHERE of each transition, shared by the statements for one row and for many. States are compared in a CASE, so that the
 * planner finds each row by its id and not by an index on the state.
 */
function transitions({ now, wallNow, ownerIsDead, leaseIsValid }: Dialect) {
  return {
    // Fencing: one statement checks the state, the owner (whose id is the epoch) and the lease. Two replicas can never both
    // claim a message.
    claim: {
      set: (attempt: string) => `status = 'sending', attempts = ${attempt}, sent_at = :wall, updated_at = :wall,
        channel_attempt = CASE WHEN channel_attempt IS NOT NULL THEN ${attempt} END`,
      where: (attempt: string) => `owner = :me AND ${leaseIsValid} AND CASE sends.status
        WHEN 'queued' THEN attempts = ${attempt} - 1 AND (not_after IS NULL OR not_after > ${wallNow})
        WHEN 'sending' THEN attempts = ${attempt} ELSE FALSE END`,
    },

    requeue: {
      // A recipient of a broadcast can then be claimed by every process again.
      set: `${endUnlessProved(
        { ...AS_IT_IS, status: "CASE WHEN broadcast_id IS NULL THEN 'queued' ELSE 'staged' END" },
        now,
      )}, updated_at = :wall`,
      // Only this attempt: when the requeue is repeated after a lost acknowledgement, the next attempt may be in flight.
      where: (attempt: string) => `CASE WHEN sends.status IN ('sending', 'queued', 'staged')
        THEN attempts = ${attempt} AND owner = :me ELSE FALSE END`,
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
          // Rejected recipients of a broadcast keep their content, because they may be resent once the cause is fixed.
          call: `CASE WHEN ${given('status')} IN ('accepted', 'cancelled')
            OR (${given('status')} = 'rejected' AND broadcast_id IS NULL) THEN NULL ELSE call_json END`,
          endedAt: now,
          nextLookAt: `CASE WHEN ${given('status')} = 'unknown' THEN ${now} + ${FIRST_LOOK_MS} + CAST(${given('place')} AS INTEGER) END`,
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
      where: (status: string) => `CASE sends.status
        WHEN 'queued' THEN ${status} = 'cancelled' OR owner = :me OR ${ownerIsDead}
        WHEN 'scheduled' THEN ${status} = 'cancelled' OR owner = :me OR ${ownerIsDead}
        WHEN 'staged' THEN ${broadcastIsIn("'running', 'paused', 'scheduled'")}
          AND (${status} = 'cancelled' OR owner = :me OR ${ownerIsDead})
        WHEN 'sending' THEN ${status} <> 'cancelled' AND (owner = :me OR ${ownerIsDead})
        WHEN 'unknown' THEN ${status} NOT IN ('unknown', 'cancelled')
        ELSE FALSE END`,
    },
  };
}

export function transitionStatements(dialect: Dialect) {
  const { claim, requeue, complete } = transitions(dialect);
  return {
    // Those of each send: to plan them takes longer than to run them.
    claim: plannedOnce(
      `UPDATE sends SET ${claim.set(':attempt')} WHERE id = :id AND ${claim.where(':attempt')} RETURNING id`,
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
      `UPDATE sends SET ${complete.set((name) => `:${name}`)} WHERE id = :id AND ${complete.where(':status')} RETURNING id, status`,
    ),
    // Locks rows in the same order as the applier of webhooks, so that the two cannot deadlock.
    completeAll: statement(`
      UPDATE sends SET ${complete.set((name) => `given.${name}`)}
      FROM (SELECT given.*, found.seq AS found FROM ${dialect.inputRows(COMPLETION)}
        JOIN sends AS found ON found.id = given.id ORDER BY found.seq) AS given
      WHERE sends.seq = given.found AND ${complete.where('given.status')} RETURNING sends.id, sends.status`),
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
  const insert = (condition: string, rows = '') => `
      INSERT INTO sends (id, caller, kind, recipient, connection_id, template, local_message_id, idem_route, idem_key,
        content_mac, fingerprint, resend_of, status, owner, created_at, updated_at, call_json, file_name, channel,
        channel_attempt, reference, send_at, not_after)
      SELECT :id, :caller, :kind, :recipient, :connectionId, :template, :localMessageId, :route, :key,
        :contentMac, :fingerprint, :resendOf,
        CASE WHEN CAST(:sendAt AS BIGINT) > ${dialect.wallNow} THEN 'scheduled' ELSE 'queued' END, :me, :wall, :wall, :call, :fileName, :channel, :channelAttempt,
        :reference, :sendAt, :notAfter ${rows}
      WHERE ${condition}
        AND (CAST(:resendOf AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM sends WHERE id = :resendOf AND ${RESENDABLE}))
      ON CONFLICT DO NOTHING RETURNING id, status`;
  return {
    insert: plannedOnce(insert('TRUE')),
    insertAll: ofEachRow(insert('TRUE', `FROM ${dialect.inputRows(lowerCased(INSERTED))}`)),
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

const lowerCased = <Type>(columns: Readonly<Record<string, Type>>): Record<string, Type> =>
  Object.fromEntries(Object.entries(columns).map(([name, type]) => [name.toLowerCase(), type]));

/** Turns the insert of one row into an insert of all rows of `given`, with its columns in place of the parameters. */
function ofEachRow(insert: string): Statement {
  const parameters = new RegExp(`:(${Object.keys(INSERTED).join('|')})\\b`, 'g');
  return statement(insert.replaceAll(parameters, (_, name: string) => `given.${name.toLowerCase()}`));
}
