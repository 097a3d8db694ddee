import { createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { StoreError } from '../errors.ts';
import { statement } from './engine.ts';

/** A random key of the store's own, made once and never told: its processes derive theirs from it. */
export const secretsTable = 'CREATE TABLE store_secrets (name TEXT PRIMARY KEY, secret TEXT NOT NULL)';

const BYTES = 32;

/** Of processes that start at once on an empty store, all are answered the secret of the first. */
export const keepSecret = statement(`
  INSERT INTO store_secrets (name, secret) VALUES ('store', :secret)
  ON CONFLICT (name) DO UPDATE SET secret = store_secrets.secret RETURNING secret`);

export const newSecret = (): string => randomBytes(BYTES).toString('base64url');

export function toSecret(kept: unknown): Buffer {
  const secret = Buffer.from(typeof kept === 'string' ? kept : '', 'base64url');
  if (secret.length !== BYTES) throw new StoreError('the store holds no usable secret in store_secrets');
  return secret;
}

/** An object, because bytes would be made one anew for each HMAC, at seven times the cost. */
export const keyFor = (use: 'content' | 'cursors', secret: Buffer): KeyObject =>
  createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', use, BYTES)));
