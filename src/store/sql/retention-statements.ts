import { forgetFingerprints } from './content-mac.ts';
import { type Dialect, statement } from './engine.ts';

export function retentionStatements(dialect: Dialect) {
  const { now, skipLocked, skipLockedBroadcasts } = dialect;
  return {
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
    // A recipient may outlive its broadcast: if it was unknown and is found to be accepted, its retention starts anew.
    deleteExpiredBroadcasts: statement(`
      WITH old AS MATERIALIZED
        (SELECT seq AS old_seq FROM broadcasts
         WHERE ended_at <= ${now} - :recordRetentionMs AND idem_key IS NULL
           AND NOT EXISTS (SELECT 1 FROM sends WHERE broadcast_id = broadcasts.id AND sends.status <> 'staged')
         ORDER BY ended_at LIMIT :limit ${skipLockedBroadcasts})
      DELETE FROM broadcasts WHERE seq IN (SELECT old_seq FROM old) RETURNING seq`),
  };
}
