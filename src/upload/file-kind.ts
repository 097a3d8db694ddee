import { fileTypeFromBuffer } from 'file-type';
import { extensionOf } from './file-name.ts';
import { foreignFile } from './foreign-file.ts';
import { malformed, UploadError } from './upload-error.ts';

export type FileKind = 'image' | 'audio' | 'video' | 'document' | 'csv';

/** How many first bytes of a file decide its type (file-type's own sample size). */
export const SNIFF_BYTES = 4100;

const MIB = 1024 * 1024;

/** Meta's limits per kind (upstream reference 6); its MB are read as 1024 * 1024. A CSV has only the overall limit. */
const KIND_BYTES_MAX: Readonly<Record<FileKind, number>> = {
  image: 5 * MIB,
  audio: 16 * MIB,
  video: 16 * MIB,
  document: 100 * MIB,
  csv: Number.POSITIVE_INFINITY,
};

interface FileType {
  kind: FileKind;
  /** The usual one first. */
  extensions: readonly [string, ...string[]];
  /** What file-type may say about such a file; none: text, which has no signature. */
  signatures: readonly string[];
}

/** The allow-list (upstream reference 6). A webp sticker counts as an image; of Ogg, WhatsApp takes Opus alone. */
const MEDIA = new Map<string, FileType>([
  ['image/jpeg', { kind: 'image', extensions: ['jpg', 'jpeg'], signatures: ['image/jpeg'] }],
  ['image/png', { kind: 'image', extensions: ['png'], signatures: ['image/png', 'image/apng'] }],
  ['image/webp', { kind: 'image', extensions: ['webp'], signatures: ['image/webp'] }],
  ['audio/aac', { kind: 'audio', extensions: ['aac'], signatures: ['audio/aac'] }],
  ['audio/amr', { kind: 'audio', extensions: ['amr'], signatures: ['audio/amr'] }],
  ['audio/mpeg', { kind: 'audio', extensions: ['mp3'], signatures: ['audio/mpeg'] }],
  // Many encoders give an audio-only MP4 the brand of a video.
  ['audio/mp4', { kind: 'audio', extensions: ['m4a', 'mp4'], signatures: ['audio/mp4', 'audio/x-m4a', 'video/mp4'] }],
  ['audio/ogg', { kind: 'audio', extensions: ['ogg', 'opus', 'oga'], signatures: ['audio/ogg; codecs=opus'] }],
  ['video/mp4', { kind: 'video', extensions: ['mp4'], signatures: ['video/mp4', 'video/x-m4v'] }],
  ['video/3gpp', { kind: 'video', extensions: ['3gp'], signatures: ['video/3gpp'] }],
  ['application/pdf', { kind: 'document', extensions: ['pdf'], signatures: ['application/pdf'] }],
  ['text/plain', { kind: 'document', extensions: ['txt'], signatures: [] }],
  ...office('doc', 'application/msword', 'application/x-cfb'),
  ...office('xls', 'application/vnd.ms-excel', 'application/x-cfb'),
  ...office('ppt', 'application/vnd.ms-powerpoint', 'application/x-cfb'),
  ...office('docx', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'application/zip'),
  ...office('xlsx', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'application/zip'),
  ...office('pptx', 'application/vnd.openxmlformats-officedocument.presentationml.presentation', 'application/zip'),
]);

const CSV: FileType = { kind: 'csv', extensions: ['csv'], signatures: [] };

/** What browsers and Excel's registry entries call a CSV. */
const CSV_NAMES = new Set(['text/plain', 'application/vnd.ms-excel']);

/** A type that is not in the list says nothing: programs know many names for a CSV. */
const contradictsCsv = (declared: string): boolean => MEDIA.has(declared) && !CSV_NAMES.has(declared);

const ALIASES = new Map([
  ['image/jpg', 'image/jpeg'],
  ['image/pjpeg', 'image/jpeg'],
  ['audio/mp3', 'audio/mpeg'],
  ['audio/x-m4a', 'audio/mp4'],
  ['audio/m4a', 'audio/mp4'],
  ['audio/x-aac', 'audio/aac'],
  ['audio/opus', 'audio/ogg'],
  ['application/ogg', 'audio/ogg'],
  ['video/3gp', 'video/3gpp'],
]);

/** The container alone is all the first bytes may show of an office file. */
function office(extension: string, mimeType: string, container: string): [string, FileType][] {
  return [[mimeType, { kind: 'document', extensions: [extension], signatures: [container, mimeType] }]];
}

export interface CheckedFile {
  kind: FileKind;
  /** One of the allow-list, without parameters. */
  mimeType: string;
  extensions: readonly [string, ...string[]];
  bytesMax: number;
}

export interface FileFacts {
  /** The part's Content-Type as the caller wrote it. */
  declared: string | undefined;
  /** The caller's file name; used only where neither the declared type nor the bytes say which type it is. */
  name: string;
  /** The first SNIFF_BYTES, or the whole of a shorter file. */
  firstBytes: Buffer;
}

/**
 * Decides what a file is, from its declared type and its first bytes.
 *
 * @throws UploadError `unsupported-type` for a type that is not allowed or that the bytes contradict, `malformed` for
 * a declared type that is no media type
 */
export async function checkFile(kinds: 'media' | 'csv', facts: FileFacts): Promise<CheckedFile> {
  const declared = essence(facts.declared);
  if (kinds === 'csv') {
    const foreign = foreignFile(facts.firstBytes);
    if (foreign !== undefined) throw notAllowed(`the file is ${foreign}`);
    if (declared !== undefined && contradictsCsv(declared)) {
      throw notAllowed(`the file is declared as ${declared}: only CSV files are taken here`);
    }
    return checked('text/csv', CSV);
  }
  const sniffed = await signatureOf(facts.firstBytes);
  const mimeType = declared ?? typeBySignature(sniffed) ?? typeByExtension(facts, sniffed);
  const type = mimeType === undefined ? undefined : MEDIA.get(mimeType);
  if (mimeType === undefined || type === undefined) {
    throw notAllowed(`files of this type are not taken; allowed are ${[...MEDIA.keys()].join(', ')}`);
  }
  const agrees =
    type.signatures.length === 0
      ? !facts.firstBytes.includes(0) && typeBySignature(sniffed) === undefined
      : sniffed !== undefined && type.signatures.includes(sniffed);
  if (!agrees) throw notAllowed(`the content of the file is not ${mimeType}`);
  return checked(mimeType, type);
}

function checked(mimeType: string, type: FileType): CheckedFile {
  return { kind: type.kind, mimeType, extensions: type.extensions, bytesMax: KIND_BYTES_MAX[type.kind] };
}

function notAllowed(detail: string): UploadError {
  return new UploadError('unsupported-type', detail);
}

/** `type/subtype` in lower case; undefined when the caller names no type, or the one that says nothing. */
function essence(declared: string | undefined): string | undefined {
  const bare = (declared?.split(';', 1)[0] ?? '').trim().toLowerCase();
  if (bare === '' && (declared ?? '').trim() === '') return undefined;
  if (!/^[a-z0-9.+-]+\/[a-z0-9.+-]+$/.test(bare)) throw malformed('the content type of the file is not a media type');
  return bare === 'application/octet-stream' ? undefined : (ALIASES.get(bare) ?? bare);
}

async function signatureOf(firstBytes: Buffer): Promise<string | undefined> {
  try {
    return (await fileTypeFromBuffer(firstBytes))?.mime;
  } catch {
    // A sample that breaks its parser is no file of an allowed type: the same as no signature.
    return undefined;
  }
}

/** The allowed type whose own signature this is; a bare container is none. */
function typeBySignature(sniffed: string | undefined): string | undefined {
  if (sniffed === undefined) return undefined;
  const bare = sniffed.split(';', 1)[0] ?? sniffed;
  const mimeType = ALIASES.get(bare) ?? bare;
  return MEDIA.has(mimeType) ? mimeType : undefined;
}

/** For containers and text: the name tells docx from xlsx, and that a file without signature is meant as text. */
function typeByExtension(facts: FileFacts, sniffed: string | undefined): string | undefined {
  const extension = extensionOf(facts.name);
  for (const [mimeType, type] of MEDIA) {
    if (!type.extensions.includes(extension)) continue;
    if (sniffed === undefined ? type.signatures.length === 0 : type.signatures.includes(sniffed)) return mimeType;
  }
  return undefined;
}
