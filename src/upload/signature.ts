import { officeTypeIn } from './zip-folders.ts';

/** The sample size of the library file-type: it needs no more bytes than these. */
export const SNIFF_BYTES = 4100;

/** The most bytes of tags that are read to find the audio after them. They are buffered, because nothing is sent before that. */
const TAG_BYTES_MAX = 1024 * 1024;
const TAGS_MAX = 4;
const TAG_HEADER_BYTES = 10;
const PDF_BYTES_MAX = 1024;

/** Signatures of our own, in addition to the media types that file-type returns. */
export const zip = 'application/zip';
export const compound = 'application/x-cfb';
export const text = 'text';
export const utf16Text = 'text in UTF-16';
export const binary = 'binary';
/** A PDF header after other bytes, which ISO 32000 allows; a text about PDF may look the same. */
export const pdfWithin = 'application/pdf; not at the start';
/** MPEG layer I or II, which share their media type with MP3. */
export const oldMpegSound = 'audio/mpeg; layer I or II';
/** An ID3 tag, followed by an unknown format. */
export const hiddenByTag = 'hidden by an ID3 tag';

export interface Signature {
  /** A media type of file-type, or one of the above. */
  is: string;
  /** The extension that file-type returns, which distinguishes the codecs of one container. */
  extension?: string;
  /** Whether the bytes may be a text in UTF-8 or an eight-bit encoding. */
  isText: boolean;
}

/**
 * Offset of the audio after ID3v2 tags, whose length is in bytes 6 to 9, seven bits each. 0: there is no tag; undefined: it is
 * beyond the bytes that are read.
 */
function soundStart(firstBytes: Buffer): number | undefined {
  let at = 0;
  for (let tags = 0; tags <= TAGS_MAX; tags += 1) {
    const header = firstBytes.subarray(at, at + TAG_HEADER_BYTES);
    if (!isTagHeader(header)) return at;
    const length = header.subarray(6).reduce((sum, byte) => sum * 128 + byte, 0);
    const footer = ((header[5] ?? 0) & 0x10) === 0 ? 0 : TAG_HEADER_BYTES;
    at += TAG_HEADER_BYTES + length + footer;
    if (at > TAG_BYTES_MAX) return undefined;
  }
  return undefined;
}

function isTagHeader(bytes: Buffer): boolean {
  const [version = 0, revision = 0] = bytes.subarray(3);
  if (bytes.length < TAG_HEADER_BYTES || bytes.toString('latin1', 0, 3) !== 'ID3') return false;
  return version >= 2 && version <= 4 && revision !== 0xff && bytes.subarray(6).every((byte) => byte < 0x80);
}

/** Bytes from the start of a file that are needed to recognize it, as far as the given ones show. */
export function sampleEnd(firstBytes: Buffer): number {
  return (soundStart(firstBytes) ?? 0) + SNIFF_BYTES;
}

/** The type that the bytes of a file show. @param firstBytes up to `sampleEnd`, or the whole of a shorter file */
export async function signatureOf(firstBytes: Buffer): Promise<Signature> {
  const start = soundStart(firstBytes);
  if (start !== 0) return soundBehind(firstBytes, start);
  const sample = firstBytes.subarray(0, SNIFF_BYTES);
  const known = await knownType(sample);
  const isText = !sample.includes(0);
  if (known !== undefined) return { ...known, isText };
  const pdf = pdfSignature(sample);
  if (pdf !== undefined) return { is: pdf, isText };
  if (isText) return { is: text, isText };
  return { is: isUtf16(sample) ? utf16Text : binary, isText };
}

async function soundBehind(firstBytes: Buffer, start: number | undefined): Promise<Signature> {
  const hidden = { is: hiddenByTag, isText: false };
  if (start === undefined || start >= firstBytes.length) return hidden;
  const sound = firstBytes.subarray(start, start + SNIFF_BYTES);
  // Some programs leave room after the tag, so that it can grow.
  const known = await knownType(
    sound.subarray(
      Math.max(
        0,
        sound.findIndex((byte) => byte !== 0),
      ),
    ),
  );
  if (known === undefined) return hidden;
  return known.is.startsWith('audio/') ? { ...known, isText: false } : { is: binary, isText: false };
}

async function knownType(sample: Buffer): Promise<{ is: string; extension: string } | undefined> {
  try {
    // Loaded for the first file, because most replicas get none.
    const { fileTypeFromBuffer } = await import('file-type');
    const type = await fileTypeFromBuffer(sample);
    // A text that begins with "ID3" has no tag.
    if (type === undefined || sample.toString('latin1', 0, 3) === 'ID3') return undefined;
    const { mime, ext } = type;
    const office = mime === zip ? officeTypeIn(sample) : undefined;
    if (office !== undefined) return { is: office, extension: ext };
    return { is: mime === 'audio/mpeg' && ext !== 'mp3' ? oldMpegSound : mime, extension: ext };
  } catch {
    // A sample on which the parser fails is no file of an accepted type: treated as no signature.
    return undefined;
  }
}

/** Readers of PDF look for its header in the first 1,024 bytes. */
function pdfSignature(sample: Buffer): string | undefined {
  const at = sample.subarray(0, PDF_BYTES_MAX + '%PDF-'.length - 1).indexOf('%PDF-');
  if (at === -1) return undefined;
  return sample.toString('utf8', 0, at).replaceAll('\0', '').trim() === '' ? 'application/pdf' : pdfWithin;
}

/** UTF-16: with a byte order mark, or a letter and a NUL alternating. */
export function isUtf16(bytes: Buffer): boolean {
  const [a, b, c, d] = bytes;
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) return true;
  return (b === 0) !== (a === 0) && (d === 0) !== (c === 0) && (a === 0) === (c === 0);
}
