import { replaceFile } from '../lib/replace-file.ts';
import { findJsonFault } from './json-fault.ts';

/*
 * A file that holds a JSON list of entries with hashes of secrets: the callers file, and the tokens file of src/intake.
 */

/** At most this many faults are listed. */
const faultsShown = 20;

/** The faults of such a file, one sentence each. No hash and no secret is quoted. */
export class ListFileFault extends Error {
  override readonly name = 'ListFileFault';

  constructor(faults: readonly string[]) {
    const more = faults.length - faultsShown;
    super([...faults.slice(0, faultsShown), ...(more > 0 ? [`and ${more} more`] : [])].join('; '));
  }
}

/** The JSON in the text. Throws a ListFileFault with the position of a syntax error. */
export function parseJsonFile(text: string): unknown {
  const bare = text.replace(/^\uFEFF/, '');
  const broken = findJsonFault(bare);
  if (broken) {
    throw new ListFileFault([`it is not JSON: line ${broken.line}, column ${broken.column}: ${broken.what}`]);
  }
  return JSON.parse(bare);
}

export function assertList(entries: unknown): asserts entries is unknown[] {
  if (!Array.isArray(entries)) throw new ListFileFault(['it must be a list [...] of entries {...}']);
}

interface ListFile<Entry> {
  path: string;
  /** Parses the text of the file as the service does; throws if it has faults. */
  parse: (text: string) => Entry[];
  /** A missing file counts as an empty list. */
  create?: boolean | undefined;
  /** The name of the program, which a concurrent one sees. */
  program: string;
}

/** Replaces the whole file. Throws and leaves the file unchanged on any failure. Returns the new entries. */
export function editListFile<Entry>(
  { path, parse, create = false, program }: ListFile<Entry>,
  change: (entries: readonly Entry[]) => Entry[],
): Entry[] {
  const next = (text: string | undefined) =>
    `${JSON.stringify(change(text === undefined ? [] : parse(text)), null, 2)}\n`;
  return replaceFile(path, next, { check: parse, create, program });
}
