import type { Callers, KeyHolder } from '../callers.ts';

/** 20 to 255 printable characters. */
const keyPattern = /^[!-~]{20,255}$/;

/** The caller with this key. Undefined for text that is no key, an unknown key and an expired one. */
export const holderOf = (key: string, callers: Callers): KeyHolder | undefined =>
  keyPattern.test(key) ? callers.find(key) : undefined;

/** The scheme is compared without case (RFC 9110, 11.1). */
export function bearerOf(authorization: string, callers: Callers): KeyHolder | undefined {
  const key = /^bearer +([!-~]+)$/i.exec(authorization)?.[1];
  return key === undefined ? undefined : holderOf(key, callers);
}

const wanted = 'send it as Authorization: Bearer <key>';

/**
 * Explains why an `Authorization` header was refused, without quoting it. "Expired" is used only for a key that was valid once,
 * so it does not help guessing.
 */
export function credentialFault(authorization: string | undefined, callers: Callers): string {
  if (authorization === undefined) return `a valid key is needed, and no Authorization came; ${wanted}`;
  const [, scheme = '', rest = ''] = /^([^ \t]*)[ \t]*(.*)$/s.exec(authorization.trim()) ?? [];
  if (scheme === '') return `a valid key is needed, and Authorization is empty; ${wanted}`;
  if (/^basic$/i.test(scheme)) return `a key does not go by Basic; ${wanted}`;
  if (!/^bearer$/i.test(scheme)) {
    if (rest === '') return `the word Bearer is missing before the key; ${wanted}`;
    return `Authorization is of another scheme than Bearer; ${wanted}`;
  }
  if (rest === '') return `no key stands behind Bearer; ${wanted}`;
  return keyFault(rest, callers);
}

function keyFault(key: string, callers: Callers): string {
  if (/^(["'`]).*\1$/s.test(key)) return 'the key stands in quotation marks; send it without them';
  if (/^<.*>$|^\{.*\}$|^\$/s.test(key)) return 'a placeholder stands where the key belongs; put the key in its place';
  if (/^bearer\b/i.test(key)) return 'the word Bearer stands twice; send it once before the key';
  if (/[,\s]/.test(key)) return 'more than one word stands behind Bearer; a key has no blanks and no commas';
  if (!keyPattern.test(key))
    return 'what stands behind Bearer is no key: a key has 20 to 255 printable ASCII characters';
  if (callers.hasExpired?.(key)) return 'this key has expired; your operator makes another';
  if (/^[0-9a-f]{64}$/i.test(key))
    return 'what stands behind Bearer looks like the SHA-256 of a key; send the key itself';
  return 'this key is not known here; your operator makes keys, and knows which of them are in use';
}
