import { VISIBLE, withCounters } from './broadcast-statements.ts';
import { type Dialect, statement } from './engine.ts';
import { broadcastIsIn, isResend, VISIBLE_COLUMNS } from './message-columns.ts';
import { DELIVERED, WITH_DELIVERY } from './tracking-columns.ts';

/** Maximum number of messages visited for one page of groups. */
export const UNKNOWN_VISITED_MAX = 5_000;

const ATTEMPTS_KEPT = 20;
const HISTORY_MAX = 100;

/** Those that are visible, in a form that goes by the index. */
const OPEN = `ended_at IS NULL AND status IN ('recording', 'scheduled', 'running', 'paused', 'cancelled')
  AND (status <> 'recording' OR shown_early = 1)`;

const wasResent = (message: string): string => `EXISTS (SELECT 1 FROM sends AS later
        WHERE later.caller = ${message}.caller AND later.resend_of = ${message}.id AND ${isResend('later')})`;

export function operatorMessageStatements({ now, inputRows, hinted, among }: Dialect) {
  const given = inputRows({ seq: 'BIGINT' });
  return {
    // A tombstone has no caller.
    find: statement(`
      SELECT ${VISIBLE_COLUMNS}, ${DELIVERED}, ${now} AS clock, sends.looked_at,
        child.id AS child_id, child.created_at AS child_created_at
      FROM sends ${WITH_DELIVERY}
        LEFT JOIN sends AS child ON child.caller = sends.caller AND child.resend_of = sends.id AND ${isResend('child')}
      WHERE sends.id = :id AND sends.caller <> ''
        AND (sends.status <> 'staged' OR ${broadcastIsIn("'running', 'paused', 'scheduled', 'cancelled'")})`),
    past: statement(`
      SELECT event, attempt, at, send_history.sent_at, code, detail
      FROM send_history JOIN sends ON sends.seq = send_history.send_seq WHERE sends.id = :id
      ORDER BY at, attempt LIMIT ${HISTORY_MAX}`),
    noteRequeued: statement(`
      INSERT INTO send_history (send_seq, attempt, event, at, sent_at, code, detail)
      SELECT sends.seq, given.attempt, 'requeued', :wall, given.sent_at, given.code, given.detail
      FROM ${inputRows({ id: 'TEXT', attempt: 'INTEGER', sent_at: 'BIGINT', code: 'TEXT', detail: 'TEXT' })}
        JOIN sends ON sends.id = given.id
      WHERE given.attempt <= ${ATTEMPTS_KEPT} ON CONFLICT DO NOTHING`),
    findBroadcast: statement(withCounters(`id = :id AND ${VISIBLE}`)),
    findBroadcasts: statement(
      withCounters(`id ${among(`SELECT given.id FROM ${inputRows({ id: 'TEXT' })}`)} AND ${VISIBLE}`),
    ),
    listOpen: statement(
      withCounters(
        `seq IN (SELECT seq FROM ${hinted('broadcasts', 'broadcasts_open')} WHERE ${OPEN} ORDER BY seq DESC LIMIT :limit)`,
      ),
    ),
    // Reads only the index.
    groupUnknown: statement(`
      WITH recent AS MATERIALIZED
        (SELECT seq, lost_call FROM ${hinted('sends', 'sends_unknown')}
         WHERE status = 'unknown' AND seq < :before ORDER BY seq DESC LIMIT ${UNKNOWN_VISITED_MAX})
      SELECT MAX(seq) AS seq, lost_call, (SELECT COUNT(*) FROM recent) AS visited, (SELECT MIN(seq) FROM recent) AS lowest
      FROM recent GROUP BY lost_call, CASE WHEN lost_call IS NULL THEN seq END ORDER BY MAX(seq) DESC LIMIT :limit`),
    findUnknown: statement(`
      SELECT seq, id, caller, connection_id, broadcast_id, lost_call, template, sent_at, not_after, looked_at, next_look_at,
        ${now} AS clock, CASE WHEN lost_call IS NULL AND ${wasResent('sends')} THEN 1 ELSE 0 END AS resent
      FROM sends WHERE seq ${among(`SELECT given.seq FROM ${given}`)}`),
    countUnknown: statement(`
      SELECT sample.seq, MIN(member.sent_at) AS sent_at, MAX(CASE WHEN member.status = 'unknown' THEN member.seq END) AS newest,
        SUM(CASE WHEN member.status = 'unknown' THEN 1 ELSE 0 END) AS unknown,
        SUM(CASE WHEN member.status = 'accepted' THEN 1 ELSE 0 END) AS found,
        SUM(CASE WHEN member.status = 'unknown' AND member.looked_at IS NOT NULL THEN 1 ELSE 0 END) AS looked,
        SUM(CASE WHEN member.status = 'unknown' AND ${wasResent('member')} THEN 1 ELSE 0 END) AS resent,
        MIN(CASE WHEN member.status = 'unknown' THEN member.next_look_at END) AS next_look_at
      FROM ${given} JOIN sends AS sample ON sample.seq = given.seq
        JOIN sends AS member ON member.lost_call = sample.lost_call
      WHERE sample.lost_call IS NOT NULL AND member.lost_call IS NOT NULL GROUP BY sample.seq`),
  };
}
