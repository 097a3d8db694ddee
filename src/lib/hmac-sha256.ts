import { hash } from 'node:crypto';

const blockBytes = 64;
const digestBytes = 32;

/**
 * HMAC-SHA-256 (RFC 2104) of texts, in base64url, with a key of at most one block. Built from two plain hashes: for a short
 * text, creating and collecting node:crypto's Hmac object costs several times the hashing.
 */
export function createHmacSha256(key: Uint8Array): (text: string) => string {
  if (key.length > blockBytes) throw new RangeError('the key is longer than a block');
  const padded = (byte: number) => Buffer.from(Array.from({ length: blockBytes }, (_, at) => byte ^ (key[at] ?? 0)));
  const pad = padded(0x36);
  // Reused for texts of the same length, which most are.
  let inner = pad;
  const outer = Buffer.concat([padded(0x5c), Buffer.alloc(digestBytes)]);
  return (text) => {
    const length = blockBytes + Buffer.byteLength(text);
    if (inner.length !== length) inner = Buffer.concat([pad, Buffer.alloc(length - blockBytes)]);
    inner.write(text, blockBytes);
    outer.write(hash('sha256', inner), blockBytes, 'hex');
    return hash('sha256', outer, 'base64url');
  };
}
