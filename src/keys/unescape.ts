/** The longest escape. */
const longest = 14;

const percent = 0x25;
const ampersand = 0x26;
const equals = 0x3d;
const backslash = 0x5c;
const semicolon = 0x3b;

/** Bytes with which an escape may begin. */
const introducers = [percent, ampersand, equals, backslash];

const nothing: Buffer = Buffer.alloc(0);

interface Escape {
  /** The byte that an escape stands for; a blank if that is not an ASCII letter or digit. */
  byte: number;
  length: number;
}

/**
 * Decodes one level of the escapes of URLs (`%41`, `%u0041`), JSON and scripts (`\u0041`, `\x41`, `\101`, `\\`), HTML (`&#65;`,
 * `&#x41;`, `&amp;`) and quoted-printable (`=41`). Works in chunks: an escape that is split between two of them is decoded as
 * well.
 */
export class Unescaper {
  #left = nothing;

  /** Decodes the bytes; returns the same object if they contain no escape. */
  push(chunk: Buffer, isLast = false): Buffer {
    const bytes = this.#left.length === 0 ? chunk : Buffer.concat([this.#left, chunk]);
    this.#left = nothing;
    if (!introducers.some((byte) => bytes.includes(byte))) return bytes;
    const out = Buffer.allocUnsafe(bytes.length);
    let length = 0;
    let at = 0;
    while (at < bytes.length) {
      const byte = bytes[at] ?? 0;
      const begins = byte === percent || byte === ampersand || byte === equals || byte === backslash;
      if (begins && !isLast && at + longest > bytes.length) break;
      const found = begins ? escapeAt(bytes, at, byte) : undefined;
      out[length++] = found ? found.byte : byte;
      at += found ? found.length : 1;
    }
    this.#left = Buffer.from(bytes.subarray(at));
    return out.subarray(0, length);
  }
}

function escapeAt(bytes: Buffer, at: number, first: number): Escape | undefined {
  if (first === ampersand) return entityAt(bytes, at);
  const second = bytes[at + 1] ?? 0;
  if (first === percent && (second | 0x20) === 0x75) return escapeOf(digits(bytes, { from: at + 2, count: 4 }, 16), 6);
  if (first === percent || first === equals) return escapeOf(digits(bytes, { from: at + 1, count: 2 }, 16), 3);
  if (second === backslash) return { byte: backslash, length: 2 };
  if (second === 0x75) {
    if (bytes[at + 2] === 0x7b) return bracedAt(bytes, at + 3);
    return escapeOf(digits(bytes, { from: at + 2, count: 4 }, 16), 6);
  }
  if (second === 0x78) return escapeOf(digits(bytes, { from: at + 2, count: 2 }, 16), 4);
  const octal = escapeOf(digits(bytes, { from: at + 1, count: 3 }, 8), 4);
  // `\n`, `\r`, `\t`: a line break within a key.
  return octal ?? (second === 0x6e || second === 0x72 || second === 0x74 ? { byte: 0x20, length: 2 } : undefined);
}

const escapeOf = (code: number | undefined, length: number): Escape | undefined =>
  code === undefined ? undefined : { byte: code < 128 ? code : 0x20, length };

/** This many digits, as a number. */
function digits(
  bytes: Buffer,
  { from, count }: { from: number; count: number },
  base: 8 | 10 | 16,
): number | undefined {
  let value = 0;
  for (let at = from; at < from + count; at++) {
    const digit = digitOf(bytes[at] ?? 0);
    if (digit >= base) return undefined;
    value = value * base + digit;
  }
  return value;
}

function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : 99;
}

/** `\u{41}`, from after the brace. */
function bracedAt(bytes: Buffer, from: number): Escape | undefined {
  const end = digitsEnd(bytes, from, 16);
  return bytes[end] === 0x7d ? escapeOf(digits(bytes, { from, count: end - from }, 16), end - from + 4) : undefined;
}

function digitsEnd(bytes: Buffer, from: number, base: 10 | 16): number {
  let end = from;
  while (end < from + 7 && digitOf(bytes[end] ?? 0) < base) end++;
  return end;
}

const named: Readonly<Record<string, number>> = { amp: ampersand, percnt: percent, bsol: backslash, equals, num: 0x23 };

function entityAt(bytes: Buffer, at: number): Escape | undefined {
  if (bytes[at + 1] === 0x23) {
    const isHex = ((bytes[at + 2] ?? 0) | 0x20) === 0x78;
    const from = at + (isHex ? 3 : 2);
    const end = digitsEnd(bytes, from, isHex ? 16 : 10);
    if (end === from) return undefined;
    const code = digits(bytes, { from, count: end - from }, isHex ? 16 : 10);
    return escapeOf(code, end - at + (bytes[end] === semicolon ? 1 : 0));
  }
  let end = at + 1;
  while (end < at + longest && ((bytes[end] ?? 0) | 0x20) >= 0x61 && ((bytes[end] ?? 0) | 0x20) <= 0x7a) end++;
  if (end === at + 1 || bytes[end] !== semicolon) return undefined;
  return { byte: named[bytes.toString('latin1', at + 1, end)] ?? 0x20, length: end - at + 1 };
}
