import type { FieldError } from '../problem.ts';

/**
 * Why an upload is refused. The route answers 400 for `malformed`, `no-file`, `too-many-parts`, `wrong-field`; 413 for
 * `too-large`; 415 for `unsupported-type`; 422 for `invalid-csv`.
 */
export type UploadErrorCode =
  | 'malformed'
  | 'no-file'
  | 'too-many-parts'
  | 'wrong-field'
  | 'too-large'
  | 'unsupported-type'
  | 'invalid-csv';

export interface UploadErrorFacts {
  /** The limit that was exceeded, in bytes; always present with `too-large`. */
  limitBytes?: number;
  /** Faults, as a problem lists them; with `invalid-csv`. */
  errors?: FieldError[];
  cause?: unknown;
}

/** A fault of the caller's upload. The caller sees `detail`, which never repeats uploaded bytes. */
export class UploadError extends Error {
  readonly code: UploadErrorCode;
  readonly detail: string;
  readonly limitBytes: number | undefined;
  readonly errors: FieldError[] | undefined;

  constructor(code: UploadErrorCode, detail: string, facts: UploadErrorFacts = {}) {
    super(`${code}: ${detail}`, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = 'UploadError';
    this.code = code;
    this.detail = detail;
    this.limitBytes = facts.limitBytes;
    this.errors = facts.errors;
  }
}

export function malformed(detail: string): UploadError {
  return new UploadError('malformed', detail);
}

export function tooLarge(limitBytes: number, what = 'the file'): UploadError {
  return new UploadError('too-large', `${what} has more than ${limitBytes} bytes`, { limitBytes });
}
