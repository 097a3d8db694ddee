import { extensionOf } from './file-name.ts';
import { remedyFor, wordsFor } from './file-words.ts';
import { foreignFile } from './foreign-file.ts';
import { csvType, type FileKind, kindBytesMax, type MediaType, mediaTypes, synonyms, typesOf } from './media-types.ts';
import { assertOfficeName } from './office-files.ts';
import { type Signature, signatureOf } from './signature.ts';
import { malformed, UploadError } from './upload-error.ts';

/** Types that browsers declare for a CSV, some of them from Excel's registry entries. */
const csvNames = new Set(['text/plain', 'application/vnd.ms-excel']);

/** A type that is not accepted is ignored, because programs use many names for a CSV. */
const contradictsCsv = (declared: string): boolean => mediaTypes.has(declared) && !csvNames.has(declared);

export interface CheckedFile {
  kind: FileKind;
  /** An accepted media type, without parameters. */
  mimeType: string;
  extensions: readonly [string, ...string[]];
  bytesMax: number;
}

export interface FileFacts {
  /** The part's Content-Type as the caller wrote it. */
  declared: string | undefined;
  /** The caller's file name; used where neither the declared type nor the bytes say which type it is. */
  name: string;
  /** Up to `sampleEnd` bytes, or the whole of a shorter file. */
  firstBytes: Buffer;
}

/**
 * Detects the type of a file. Its bytes decide; if they are ambiguous, the declared type, then the name. A declared type that
 * is not accepted is ignored.
 *
 * @throws UploadError `unsupported-type` for a type that is not accepted, or if another accepted type is declared; `malformed`
 * for a declared type that is no media type
 */
export async function checkFile(kinds: 'media' | 'csv', facts: FileFacts): Promise<CheckedFile> {
  const declared = essence(facts.declared);
  if (kinds === 'csv') {
    const foreign = foreignFile(facts.firstBytes);
    if (foreign !== undefined) throw notAllowed(`the file is ${foreign}`);
    if (declared !== undefined && contradictsCsv(declared)) {
      throw notAllowed(`the file is declared as ${declared}: only CSV files are taken here`);
    }
    return checked('text/csv', csvType);
  }
  const extension = extensionOf(facts.name);
  const signature = await signatureOf(facts.firstBytes);
  const [mimeType, type] = chooseType(signature, declared, extension);
  assertOfficeName(extension, type);
  return checked(mimeType, type);
}

function chooseType(signature: Signature, declared: string | undefined, extension: string) {
  const possible = typesOf(signature);
  const listed = declared !== undefined && mediaTypes.has(declared);
  const named = possible.find(([mimeType]) => mimeType === (synonyms.get(declared ?? '') ?? declared));
  if (named) return named;
  if (listed) {
    const remedy = possible.length > 0 ? 'declare what it is, or nothing' : remedyFor(signature);
    throw notAllowed(`the file is declared as ${declared}, and it is ${wordsFor(signature)}: ${remedy}`);
  }
  const proved = ([, { proof }]: (typeof possible)[number]) => proof.includes(signature.is);
  const byName = possible.filter(([, { extensions }]) => extensions.includes(extension));
  const chosen = byName.find(proved) ?? byName[0] ?? possible.find(proved);
  if (!chosen) throw notAllowed(`the file is not taken: it is ${wordsFor(signature)}; ${remedyFor(signature)}`);
  return chosen;
}

function checked(mimeType: string, type: MediaType): CheckedFile {
  return { kind: type.kind, mimeType, extensions: type.extensions, bytesMax: kindBytesMax[type.kind] };
}

function notAllowed(detail: string): UploadError {
  return new UploadError('unsupported-type', detail);
}

/** `type/subtype` in lower case; undefined if the caller declares none, or application/octet-stream. */
function essence(declared: string | undefined): string | undefined {
  const bare = (declared?.split(';', 1)[0] ?? '').trim().toLowerCase();
  if (bare === '' && (declared ?? '').trim() === '') return undefined;
  if (!/^[a-z0-9!#$&^_.+-]{1,127}\/[a-z0-9!#$&^_.+-]{1,127}$/.test(bare)) {
    throw malformed('the content type of the file is not a media type');
  }
  return bare === 'application/octet-stream' ? undefined : bare;
}
