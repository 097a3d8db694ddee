const bytesMin = 32;
const keysMax = 2;
/** A random key of 32 bytes has some thirty different ones. */
const differentMin = 12;

/**
 * EVENTS_SIGNING_KEY -> its keys in base64, one a line or with a comma in between; the first signs first. Throws with every fault;
 * nothing is quoted.
 */
export function parseSigningKeys(text: string): readonly string[] {
  const keys = text
    .replace(/^\uFEFF/, '')
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter(Boolean);
  const faults = keys.flatMap((key, at) => {
    const fault = faultOf(key);
    return fault === undefined ? [] : [keys.length === 1 ? fault : `line ${at + 1} ${fault}`];
  });
  if (keys.length === 0) faults.push('is empty');
  if (keys.length > keysMax) faults.push(`has more than ${keysMax} lines: one key, and another while it changes`);
  if (new Set(keys.map(withoutPadding)).size < keys.length) faults.push('has the same key twice');
  if (faults.length > 0) throw new Error(faults.join('; '));
  return keys;
}

const make = 'make one with `openssl rand -base64 32`';

function faultOf(key: string): string | undefined {
  const bytes = Buffer.from(key, 'base64');
  // The decoder passes over what is no base64.
  if (withoutPadding(bytes.toString('base64')) !== key.replace(/={0,2}$/, '')) {
    return `is not base64: ${make}`;
  }
  if (bytes.length < bytesMin) return `has fewer than ${bytesMin} bytes: ${make}`;
  return new Set(bytes).size < differentMin ? `is not random: ${make}` : undefined;
}

const withoutPadding = (key: string): string => key.replace(/={1,2}$/, '');
