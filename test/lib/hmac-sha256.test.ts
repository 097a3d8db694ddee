import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createHmacSha256 } from '../../src/lib/hmac-sha256.ts';

it('is the HMAC of node:crypto, for every key of at most a block and every text', () => {
  const keys = fc.uint8Array({ maxLength: 64 });
  const texts = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('utf16le'));
  fc.assert(
    fc.property(keys, texts, (key, text) => {
      const expected = createHmac('sha256', key).update(text).digest('base64url');
      return createHmacSha256(key)(text) === expected;
    }),
    { numRuns: 60 },
  );
  expect(() => createHmacSha256(new Uint8Array(65))).toThrow(RangeError);
});
