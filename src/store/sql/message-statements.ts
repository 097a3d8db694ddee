import { type Dialect, plannedOnce, statement } from './engine.ts';
import { insertStatements, RESENDABLE, transitionStatements } from './lifecycle-statements.ts';
import { broadcastIsIn, isResend, VISIBLE_COLUMNS } from './message-columns.ts';
import { DELIVERED, WITH_DELIVERY } from './tracking-columns.ts';

export type MessageStatements = ReturnType<typeof messageStatements>;

export function messageStatements(dialect: Dialect) {
  return {
    ...insertStatements(dialect),
    ...transitionStatements(dialect),
    ...readStatements(dialect),
  };
}

export function readStatements(dialect: Dialect) {
  return {
    find: plannedOnce(`
      SELECT ${VISIBLE_COLUMNS}, ${DELIVERED} FROM sends ${WITH_DELIVERY} WHERE sends.id = :id AND sends.caller = :caller
        AND (sends.status <> 'staged' OR ${broadcastIsIn("'running', 'paused', 'scheduled', 'cancelled'")})`),
    findByKey: plannedOnce(`
      SELECT ${VISIBLE_COLUMNS}, ${DELIVERED} FROM sends ${WITH_DELIVERY}
      WHERE sends.caller = :caller AND idem_route = :route AND idem_key = :key`),
    // Finds why a message may not be resent: an earlier resend, or the message itself with its status.
    findResend: statement(`
      SELECT ${VISIBLE_COLUMNS} FROM sends WHERE caller = :caller AND resend_of = :resendOf AND ${isResend('sends')}
      UNION ALL SELECT ${VISIBLE_COLUMNS} FROM sends WHERE caller = :caller AND id = :resendOf AND NOT ${RESENDABLE}
      ORDER BY seq DESC LIMIT 1`),
    // A message of unknown content counts, because it may have been the same. Two subqueries, because a single one with OR
    // would not use the index on recipient and sent_at.
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
    counts: statement(`
      ${dialect.counts}
      UNION ALL
      SELECT CASE broadcasts.status WHEN 'cancelled' THEN 'cancelled' WHEN 'scheduled' THEN 'scheduled' ELSE 'queued' END AS status, n
      FROM broadcasts JOIN broadcast_tallies ON broadcast_id = broadcasts.id AND broadcast_tallies.status = 'staged'
      WHERE ended_at IS NULL AND broadcasts.status IN ('running', 'paused', 'scheduled', 'cancelled')`),
  };
}
