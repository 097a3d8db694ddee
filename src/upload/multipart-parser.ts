import { parseHeaderValue } from './header-value.ts';
import { type PartHeaders, parsePartHeaders } from './part-headers.ts';
import { malformed, UploadError } from './upload-error.ts';

const PREAMBLE_BYTES_MAX = 1024;
const HEADER_BYTES_MAX = 16 * 1024;
/** White space between a delimiter and its line end; RFC 2046 sets no bound, but it has to be held. */
const PADDING_BYTES_MAX = 64;

/** Line ends and blanks behind the closing delimiter. */
export const EPILOGUE_BYTES_MAX = 1024;

/** More than all framing around one file can take: nothing beyond this plus the file's limit need be read. */
export const FRAMING_BYTES_MAX = PREAMBLE_BYTES_MAX + HEADER_BYTES_MAX + EPILOGUE_BYTES_MAX + 1024;

const CRLF = Buffer.from('\r\n');
const BLANK_LINE = Buffer.from('\r\n\r\n');
const BEGINNING = Buffer.from('\r\n--');
/** In one search. */
const BEGINNINGS_MAX = 8;
const NOTHING = Buffer.alloc(0);
const [TAB, LF, CR, SPACE, DASH] = [0x09, 0x0a, 0x0d, 0x20, 0x2d];
const LINE_ENDS_AND_BLANKS = [CR, LF, SPACE, TAB];

export interface PartSink {
  /** @param offset of the first file byte in the whole body */
  part(headers: PartHeaders, offset: number): void;
  /** Views on the chunks written, nothing copied. */
  data(bytes: Buffer): void;
  partEnd(): void;
}

type Found = { what: 'close' | 'next' | 'maybe'; at: number; after: number };

/**
 * The boundary out of the caller's Content-Type (RFC 2046, 5.1.1).
 *
 * @throws UploadError `unsupported-type` unless it is multipart/form-data, `malformed` without one good boundary
 */
export function boundaryOf(contentType: string): string {
  if (!/^\s*multipart\/form-data\s*(?:;|$)/i.test(contentType)) {
    throw new UploadError('unsupported-type', 'the body has to be multipart/form-data');
  }
  const boundary = parseHeaderValue(contentType, 'the content type').parameters.get('boundary') ?? '';
  if (!/^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/.test(boundary)) {
    throw malformed('the content type has no valid boundary');
  }
  return boundary;
}

/**
 * A multipart/form-data body with exactly one part, read chunk by chunk in linear time; holds at most a delimiter, or
 * the header block. Every method throws UploadError and is not to be called again after that.
 */
export class MultipartParser {
  readonly #sink: PartSink;
  readonly #delimiter: Buffer;
  #state: 'preamble' | 'headers' | 'data' | 'epilogue' = 'preamble';
  // The CRLF before a first delimiter at the very start of the body is understood.
  #held: Buffer = CRLF;
  #seen = 0;
  #preamble = -CRLF.length;
  #epilogue = 0;
  #headers = NOTHING;
  #headersLength = 0;

  constructor(boundary: string, sink: PartSink) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
    this.#sink = sink;
  }

  /** Bytes written so far. */
  get seen(): number {
    return this.#seen;
  }

  /** How many bytes followed the closing delimiter. */
  get epilogueBytes(): number {
    return this.#epilogue;
  }

  write(chunk: Buffer): void {
    this.#seen += chunk.length;
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = NOTHING;
    while (rest.length > 0) {
      if (this.#state === 'headers') rest = this.#readHeaders(rest);
      else if (this.#state === 'epilogue') rest = this.#readEpilogue(rest);
      else rest = this.#readUntilDelimiter(rest);
    }
  }

  /** The body is over: throws unless it ended where a body may end. */
  end(): void {
    if (this.#state !== 'epilogue') throw malformed('the body ends before its closing boundary');
  }

  #readUntilDelimiter(bytes: Buffer): Buffer {
    const found = this.#find(bytes);
    this.#release(bytes.subarray(0, found.at));
    if (found.what === 'maybe') {
      // Copied: a view would keep the whole chunk alive.
      this.#held = Buffer.from(bytes.subarray(found.at));
      return NOTHING;
    }
    if (this.#state === 'data') this.#sink.partEnd();
    if (found.what === 'close') {
      if (this.#state === 'preamble') throw new UploadError('no-file', 'the form is empty');
      this.#state = 'epilogue';
    } else {
      if (this.#state === 'data')
        throw new UploadError('too-many-parts', 'the form may have one file and nothing else');
      this.#state = 'headers';
      this.#headers = Buffer.allocUnsafe(HEADER_BYTES_MAX);
    }
    return bytes.subarray(found.after);
  }

  #release(bytes: Buffer): void {
    if (this.#state === 'data') {
      if (bytes.length > 0) this.#sink.data(bytes);
      return;
    }
    this.#preamble += bytes.length;
    if (this.#preamble > PREAMBLE_BYTES_MAX) throw malformed('the first boundary is missing');
  }

  /** The next delimiter; a line that merely begins like one is data. `maybe`: from `at` on more bytes must decide. */
  #find(bytes: Buffer): Found {
    let from = 0;
    for (;;) {
      const at = this.#indexOf(bytes, from);
      if (at === -1) return { what: 'maybe', at: this.#beginning(bytes, from), after: bytes.length };
      from = at + this.#delimiter.length;
      const first = bytes[from];
      if (first === undefined) return { what: 'maybe', at, after: from };
      if (first === DASH) {
        const second = bytes[from + 1];
        if (second === DASH) return { what: 'close', at, after: from + 2 };
        if (second === undefined) return { what: 'maybe', at, after: from };
        continue;
      }
      let end = from;
      while (bytes[end] === SPACE || bytes[end] === TAB) end += 1;
      if (end - from > PADDING_BYTES_MAX) throw malformed('a boundary is followed by too much white space');
      const [cr, lf] = [bytes[end], bytes[end + 1]];
      if (cr === undefined || (cr === CR && lf === undefined)) return { what: 'maybe', at, after: from };
      // The line end stays: it begins the header block, so that a block without lines is found like any other.
      if (cr === CR && lf === LF) return { what: 'next', at, after: end };
    }
  }

  /**
   * Four bytes are found by scanning for the first of them, three times as fast as the whole delimiter; a file made of
   * them is handed to the search for the whole.
   */
  #indexOf(bytes: Buffer, start: number): number {
    let from = start;
    for (let tries = 0; tries < BEGINNINGS_MAX; tries += 1) {
      const at = bytes.indexOf(BEGINNING, from);
      if (at === -1 || this.#delimiter.equals(bytes.subarray(at, at + this.#delimiter.length))) return at;
      from = at + 1;
    }
    return bytes.indexOf(this.#delimiter, from);
  }

  /** Where the last bytes begin a delimiter that the chunk cuts; the length when they do not. */
  #beginning(bytes: Buffer, from: number): number {
    let at = bytes.indexOf(CR, Math.max(from, bytes.length - this.#delimiter.length + 1));
    while (at !== -1 && !this.#delimiter.subarray(0, bytes.length - at).equals(bytes.subarray(at))) {
      at = bytes.indexOf(CR, at + 1);
    }
    return at === -1 ? bytes.length : at;
  }

  #readHeaders(bytes: Buffer): Buffer {
    const before = this.#headersLength;
    this.#headersLength += bytes.copy(this.#headers, before);
    const block = this.#headers.subarray(0, this.#headersLength);
    const end = block.indexOf(BLANK_LINE, Math.max(0, before - BLANK_LINE.length + 1));
    if (end === -1) {
      if (block.length === HEADER_BYTES_MAX) throw malformed(`the part has more than ${HEADER_BYTES_MAX} header bytes`);
      return NOTHING;
    }
    if (end === 0) throw malformed('the part has no headers');
    const rest = bytes.subarray(end + BLANK_LINE.length - before);
    this.#state = 'data';
    this.#headers = NOTHING;
    this.#sink.part(parsePartHeaders(block.subarray(CRLF.length, end)), this.#seen - rest.length);
    return rest;
  }

  /**
   * RFC 2046 lets anything follow the closing delimiter; many clients end with an empty line. All else would be bytes that
   * nobody checked, or the rest of a file that holds the delimiter.
   */
  #readEpilogue(bytes: Buffer): Buffer {
    this.#epilogue += bytes.length;
    if (this.#epilogue > EPILOGUE_BYTES_MAX || !bytes.every((byte) => LINE_ENDS_AND_BLANKS.includes(byte))) {
      throw malformed('bytes other than line ends and blanks follow the closing boundary');
    }
    return NOTHING;
  }
}
