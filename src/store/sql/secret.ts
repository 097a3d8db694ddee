import { createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { StoreError } from '../errors.ts';
import { statement } from './engine.ts';

/** A random key that is made once per store. All processes derive their keys from it. */
export const secretsTable = 'CREATE TABLE store_secrets (name TEXT PRIMARY KEY, secret TEXT NOT NULL)';

const BYTES = 32;

/** Processes that start at the same time on an empty store all get the secret of the first. */
export const keepSecret = statement(`
  INSERT INTO store_secrets (name, secret) VALUES ('store', :secret)
  ON CONFLICT (name) DO UPDATE SET secret = store_secrets.secret RETURNING secret`);

export const newSecret = (): string => randomBytes(BYTES).toString('base64url');

export function toSecret(kept: unknown): Buffer {
  const secret = Buffer.from(typeof kept === 'string' ? kept : '', 'base64url');
  if (secret.length !== BYTES) throw new StoreError('the store holds no usable secret in store_secrets');
  return secret;
}

/** A KeyObject, because raw bytes are converted to one for each HMAC, at seven times the cost. */
export const keyFor = (use: 'content' | 'cursors', secret: Buffer): KeyObject =>
  createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', use, BYTES)));
