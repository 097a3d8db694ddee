/** Reduces a text to lower-case letters and digits, so that separators, line breaks and case cannot hide a key. */
const squeezed = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '');

/** Shorter forms would be found by chance. No key in use is that short, because the service refuses such a key at its start. */
const shortestForm = 8;

/** This large a piece of a key counts as the key. */
const tellingPart = 2 / 3;

/**
 * The forms in which an answer may contain a key, reduced to letters and digits: as it is or any two thirds of it, backwards,
 * hex, base64 and base64url at all three alignments (also of `Bearer KEY` and of UTF-16), base32, ROT13, lists of character
 * codes, and base64 and hex of each other. Escapes (URL, JSON, HTML) are decoded elsewhere, before the text is searched.
 */
export function formsOf(key: string): string[] {
  const bytes = Buffer.from(key, 'utf8');
  const hex = bytes.toString('hex');
  const base64 = bytes.toString('base64');
  const codes = [...bytes];
  const plain = squeezed(key);
  const forms = [
    plain,
    ...partsOf(plain),
    hex,
    ...base64sOf(bytes),
    ...base64sOf(Buffer.from(key, 'utf16le')),
    ...base64sOf(Buffer.from(hex)),
    ...base64sOf(Buffer.from(hex.toUpperCase())),
    ...base64sOf(Buffer.from(base64)),
    ...base64sOf(Buffer.from(encodeURIComponent(key))),
    ...base64sOf(Buffer.from(reversed(key))),
    ...base32sOf(bytes),
    squeezed(rot13(key)),
    codes.join(''),
    codes.map((code) => code.toString(2).padStart(8, '0')).join(''),
    codes.map((code) => code.toString(8).padStart(3, '0')).join(''),
    codes.map((code) => `0x${code.toString(16)}`).join(''),
    Buffer.from(hex).toString('hex'),
    Buffer.from(base64).toString('hex'),
  ];
  return [...new Set([...forms, ...forms.map(reversed)])].filter((form) => form.length >= shortestForm);
}

const reversed = (text: string): string => [...text].reverse().join('');

function partsOf(plain: string): string[] {
  const length = Math.max(12, Math.ceil(plain.length * tellingPart));
  return Array.from({ length: Math.max(0, plain.length - length + 1) }, (_, at) => plain.slice(at, at + length));
}

/** Without the letters at both ends, which also contain bits of the adjacent characters. */
const base64sOf = (bytes: Buffer): string[] =>
  coresOf(bytes, { alignments: 3, bits: 6 }, (padded) => padded.toString('base64'));

const base32sOf = (bytes: Buffer): string[] => coresOf(bytes, { alignments: 5, bits: 5 }, base32);

interface Encoding {
  alignments: number;
  /** Bits per letter of the encoding. */
  bits: number;
}

function coresOf(bytes: Buffer, { alignments, bits }: Encoding, encode: (bytes: Buffer) => string): string[] {
  return Array.from({ length: alignments }, (_, before) => {
    const text = encode(Buffer.concat([Buffer.alloc(before), bytes]));
    return squeezed(text.slice(Math.ceil((before * 8) / bits), Math.floor(((before + bytes.length) * 8) / bits)));
  });
}

function base32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => 'abcdefghijklmnopqrstuvwxyz234567'[Number.parseInt(group.padEnd(5, '0'), 2)]).join('');
}

const rot13 = (text: string): string =>
  text.replace(/[a-z]/gi, (letter) => {
    const first = letter <= 'Z' ? 65 : 97;
    return String.fromCharCode(((letter.charCodeAt(0) - first + 13) % 26) + first);
  });
