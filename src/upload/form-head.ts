import { type PartHeaders, parsePartHeaders } from './part-headers.ts';
import { malformed, UploadError } from './upload-error.ts';

const PREAMBLE_BYTES_MAX = 1024;
const HEADER_BYTES_MAX = 16 * 1024;

/** The most bytes before the first byte of a file. */
export const HEAD_BYTES_MAX = PREAMBLE_BYTES_MAX + HEADER_BYTES_MAX + 1024;

const CRLF = Buffer.from('\r\n');
const BLANK_LINE = Buffer.from('\r\n\r\n');

export interface FormHead {
  headers: PartHeaders;
  /** Offset after them in the whole body. */
  offset: number;
}

/** Finds the headers of the first part in the first bytes of a body. Every method throws UploadError. */
export class FormHeadReader {
  readonly #delimiter: Buffer;
  readonly #memory = Buffer.allocUnsafe(HEAD_BYTES_MAX);
  /** The CRLF before a delimiter may be missing at the very start. */
  #length = CRLF.copy(this.#memory);
  /** Offset of the line end after the first delimiter. */
  #headersAt: number | undefined;

  constructor(boundary: string) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
  }

  /** Undefined: more bytes are needed. */
  write(chunk: Buffer): FormHead | undefined {
    const before = this.#length;
    this.#length += chunk.copy(this.#memory, before);
    const bytes = this.#memory.subarray(0, this.#length);
    this.#headersAt ??= this.#findHeaders(bytes, before);
    if (this.#headersAt === undefined) return undefined;
    const end = bytes.indexOf(BLANK_LINE, Math.max(this.#headersAt, before - BLANK_LINE.length + 1));
    if ((end === -1 ? bytes.length : end) - this.#headersAt > HEADER_BYTES_MAX) {
      throw malformed(`the part has more than ${HEADER_BYTES_MAX} header bytes`);
    }
    if (end === -1) return undefined;
    if (end === this.#headersAt) throw malformed('the part has no headers');
    const headers = parsePartHeaders(bytes.subarray(this.#headersAt + CRLF.length, end));
    return { headers, offset: end + BLANK_LINE.length - CRLF.length };
  }

  #findHeaders(bytes: Buffer, before: number): number | undefined {
    const length = this.#delimiter.length;
    const at = bytes.indexOf(this.#delimiter, Math.max(0, before - length - 1));
    if ((at === -1 ? bytes.length - length : at) - CRLF.length > PREAMBLE_BYTES_MAX) {
      throw malformed('the first boundary is missing');
    }
    const next = at === -1 ? '' : bytes.toString('latin1', at + length, at + length + 2);
    if (next.length < 2) return undefined;
    if (next === '--') throw new UploadError('no-file', 'the form is empty');
    if (next !== '\r\n') throw malformed('the first boundary is not followed by a line end');
    return at + length;
  }
}
