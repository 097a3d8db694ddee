import { createHmac, type KeyObject } from 'node:crypto';
import type { StoredMessage } from '../message-store.ts';
import { type Dialect, type Engine, type Statement, statement } from './engine.ts';
import { keyFor } from './secret.ts';

const HOUR_MS = 60 * 60_000;

/**
 * What is kept of a content to know it again. A plain digest can be tried with guesses by whoever reads a row, because
 * texts to one number are few; an HMAC cannot without the key. `fingerprint` has the plain digests of earlier versions.
 */
export const macColumns = {
  sends: 'ALTER TABLE sends ADD COLUMN content_mac TEXT',
  broadcasts: 'ALTER TABLE broadcasts ADD COLUMN content_mac TEXT',
};

/** Of those whose content is to be forgotten. */
export const contentIndex = `CREATE INDEX sends_known ON sends (ended_at)
  WHERE ended_at IS NOT NULL AND idem_key IS NULL AND (content_mac IS NOT NULL OR fingerprint IS NOT NULL)`;

/** What a row knows its content by. */
export type KeptContent = Pick<StoredMessage, 'contentMac' | 'fingerprint'>;

export class ContentMacs {
  readonly #engine: Pick<Engine, 'hasOlderReplicas'>;
  readonly #key: KeyObject;

  constructor(engine: Pick<Engine, 'secret' | 'hasOlderReplicas'>) {
    this.#engine = engine;
    this.#key = keyFor('content', engine.secret);
  }

  of(fingerprint: string): string {
    return createHmac('sha256', this.#key).update(fingerprint).digest('base64url');
  }

  /** As it is recorded. Replicas of an earlier version know contents by plain digests alone. */
  kept(fingerprint: string | undefined): KeptContent {
    if (fingerprint === undefined) return {};
    return { contentMac: this.of(fingerprint), ...(this.#engine.hasOlderReplicas() && { fingerprint }) };
  }

  /** Undefined: nothing is kept to tell it by. */
  matches({ contentMac, fingerprint }: KeptContent, given: string): boolean | undefined {
    if (contentMac !== undefined) return contentMac === this.of(given);
    return fingerprint === undefined ? undefined : fingerprint === given;
  }
}

/**
 * Nothing asks for it later: a send that is looked for is compared with those of its own quarter of an hour, and the last
 * look nobody asked for is an hour after its end. Where it is missing, `countLookalikes` counts the message as one.
 */
export const forgetFingerprints = ({ now, skipLocked }: Dialect): Statement =>
  statement(`
    WITH old AS MATERIALIZED
      (SELECT seq AS old_seq FROM sends
       WHERE ended_at IS NOT NULL AND idem_key IS NULL AND (content_mac IS NOT NULL OR fingerprint IS NOT NULL)
         AND ended_at <= ${now} - ${HOUR_MS}
       ORDER BY ended_at LIMIT :limit ${skipLocked})
    UPDATE sends SET content_mac = NULL, fingerprint = NULL WHERE seq IN (SELECT old_seq FROM old) RETURNING seq`);
