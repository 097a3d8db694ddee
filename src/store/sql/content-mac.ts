import { createHmacSha256 } from '../../lib/hmac-sha256.ts';
import type { StoredMessage } from '../message-store.ts';
import { type Dialect, type Engine, type Statement, statement } from './engine.ts';
import { keyFor } from './secret.ts';

const HOUR_MS = 60 * 60_000;

/**
 * Identifies content without storing it. A plain digest could be guessed from a row, because few texts go to one number; an
 * HMAC cannot be guessed without the key. `fingerprint` contains the plain digests of earlier versions.
 */
export const macColumns = {
  sends: 'ALTER TABLE sends ADD COLUMN content_mac TEXT',
  broadcasts: 'ALTER TABLE broadcasts ADD COLUMN content_mac TEXT',
};

/** Finds rows whose fingerprints are due to be erased. */
export const contentIndex = `CREATE INDEX sends_known ON sends (ended_at)
  WHERE ended_at IS NOT NULL AND idem_key IS NULL AND (content_mac IS NOT NULL OR fingerprint IS NOT NULL)`;

export type KeptContent = Pick<StoredMessage, 'contentMac' | 'fingerprint'>;

export class ContentMacs {
  readonly #engine: Pick<Engine, 'hasOlderReplicas'>;
  readonly of: (fingerprint: string) => string;

  constructor(engine: Pick<Engine, 'secret' | 'hasOlderReplicas'>) {
    this.#engine = engine;
    this.of = createHmacSha256(keyFor('content', engine.secret).export());
  }

  /** What is stored: an HMAC; beside replicas of an earlier version, which compare only plain digests, the digest too. */
  kept(fingerprint: string | undefined): KeptContent {
    if (fingerprint === undefined) return {};
    return { contentMac: this.of(fingerprint), ...(this.#engine.hasOlderReplicas() && { fingerprint }) };
  }

  /** Undefined if the row contains nothing to compare. */
  matches({ contentMac, fingerprint }: KeptContent, given: string): boolean | undefined {
    if (contentMac !== undefined) return contentMac === this.of(given);
    return fingerprint === undefined ? undefined : fingerprint === given;
  }
}

/**
 * Erases fingerprints without a key an hour after the end, when they are not needed any more: reconciliation compares messages
 * within a quarter of an hour, and its last scheduled lookup is an hour after the end. Without a fingerprint, `countLookalikes`
 * counts the message as a lookalike.
 */
export const forgetFingerprints = ({ now, skipLocked }: Dialect): Statement =>
  statement(`
    WITH old AS MATERIALIZED
      (SELECT seq AS old_seq FROM sends
       WHERE ended_at IS NOT NULL AND idem_key IS NULL AND (content_mac IS NOT NULL OR fingerprint IS NOT NULL)
         AND ended_at <= ${now} - ${HOUR_MS}
       ORDER BY ended_at LIMIT :limit ${skipLocked})
    UPDATE sends SET content_mac = NULL, fingerprint = NULL WHERE seq IN (SELECT old_seq FROM old) RETURNING seq`);
