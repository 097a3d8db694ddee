import { type Dialect, statement } from './engine.ts';
import { FIRST_LOOK_MS } from './look-times.ts';
import { endUnlessProved } from './proof.ts';

/** SQL for what dead processes left: what was being sent becomes unknown, streams end, and the rest is adopted. */
export function recoveryStatements(dialect: Dialect) {
  const { now, ownerIsDead, leaseIsValid, skipLocked } = dialect;
  const becomesUnknown = endUnlessProved(
    {
      status: "'unknown'",
      code: "'owner-died'",
      detail: ':detail',
      verdict: 'verdict_json',
      call: 'call_json',
      endedAt: now,
      nextLookAt: `${now} + ${FIRST_LOOK_MS} + placed.place`,
      lostCall: "CASE WHEN broadcast_id IS NOT NULL THEN broadcast_id || ' ' || sent_at END",
    },
    now,
  );
  return {
    fence: dialect.fence.map(statement),
    // Names the dead owner, so that the index leads to its oldest rows without visiting those of other owners.
    adoptOrphans: statement(`
      WITH orphans AS MATERIALIZED
        (SELECT seq AS orphan FROM sends
         WHERE status = 'queued' AND caller = :caller AND connection_id = :connection AND owner = :owner
           AND call_json IS NOT NULL AND ${ownerIsDead} AND ${leaseIsValid}
         ORDER BY seq LIMIT :limit ${skipLocked})
      UPDATE sends SET owner = :me WHERE seq IN (SELECT orphan FROM orphans) RETURNING seq`),
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
  };
}
