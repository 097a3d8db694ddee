import { hash } from 'node:crypto';

const blockBytes = 64;

/**
 * HMAC-SHA-256 (RFC 2104) of texts, in base64url, with a key of at most a block. Of two hashes that need no object: for a short
 * text, making and collecting node:crypto's Hmac costs several times its work.
 */
export function createHmacSha256(key: Uint8Array): (text: string) => string {
  if (key.length > blockBytes) throw new RangeError('the key is longer than a block');
  const padded = (byte: number) => Buffer.alloc(blockBytes, byte).map((pad, at) => pad ^ (key[at] ?? 0));
  const inner = padded(0x36);
  const outer = padded(0x5c);
  return (text) => {
    const digest = hash('sha256', Buffer.concat([inner, Buffer.from(text)]), 'buffer');
    return hash('sha256', Buffer.concat([outer, digest]), 'base64url');
  };
}
