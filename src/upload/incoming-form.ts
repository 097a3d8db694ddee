import { finished } from 'node:stream';
import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { type FormHead, FormHeadReader, HEAD_BYTES_MAX } from './form-head.ts';
import { parseHeaderValue } from './header-value.ts';
import type { PartHeaders } from './part-headers.ts';
import { malformed, tooLarge, UploadError } from './upload-error.ts';

/** Line ends and blanks after the closing delimiter. */
export const EPILOGUE_BYTES_MAX = 1024;

/** More than all framing around one file can take. No more than this plus the file's limit is read. */
export const FRAMING_BYTES_MAX = HEAD_BYTES_MAX + EPILOGUE_BYTES_MAX;

/** Yield to the event loop after this many chunks: a caller may send chunks of one byte, and hundreds of thousands arrive at once. */
const TURN_CHUNKS = 256;

const LINE_ENDS_AND_BLANKS = Buffer.from('\r\n\t ');

/** A request on a route that has registered @fastify/multipart. */
export type FormRequest = Pick<FastifyRequest, 'raw' | 'parts'>;

interface FormOptions {
  /** The size limit of the file. */
  bytesMax: number;
  /** Called with the headers of the part before any of its bytes; throws to refuse it. */
  check(headers: PartHeaders): void;
  /** Called with the number of bytes of the body as they arrive. */
  onBytes?: ((count: number) => void) | undefined;
  /** The body was cut off, or is no valid form. */
  onError(error: unknown): void;
}

export interface IncomingPart extends FormHead {
  file: MultipartFile['file'];
}

/**
 * The boundary out of the caller's Content-Type (RFC 2046, 5.1.1).
 *
 * @throws UploadError `unsupported-type` unless it is multipart/form-data, `malformed` without one good boundary
 */
function boundaryOf(contentType: string): string {
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
 * A form with one file, parsed by @fastify/multipart. The bytes of the body are observed as well, for facts that the library
 * does not report: the offset of the file, from which its length follows; the headers as written; and whether the body contains
 * anything but file and framing. The library ignores everything after the closing boundary, so without this check a file that
 * contains the boundary would be cut and accepted.
 */
export class IncomingForm {
  readonly closing: Buffer;
  readonly #request: FormRequest;
  readonly #options: FormOptions;
  readonly #parts: ReturnType<FormRequest['parts']>;
  readonly #ended = Promise.withResolvers<void>();
  #headReader: FormHeadReader | undefined;
  #head: FormHead | undefined;
  #seen = 0;
  #chunks = 0;
  #turn: NodeJS.Immediate | undefined;
  /** The last bytes: enough for the closing delimiter and what may follow it. */
  #tail: Buffer = Buffer.alloc(0);
  /** Offset after the closing delimiter, once the library has found it. */
  #closedAt = Number.POSITIVE_INFINITY;

  constructor(request: FormRequest, options: FormOptions) {
    const boundary = boundaryOf(request.raw.headers['content-type'] ?? '');
    this.closing = Buffer.from(`\r\n--${boundary}--`);
    this.#request = request;
    this.#options = options;
    this.#headReader = new FormHeadReader(boundary);
    // Counts every part, also plain fields and parts that the library skips because it cannot parse their headers. The
    // library's limit for files would end a file as if it were complete, so the reader of the file counts its bytes.
    const limits = { parts: 1, fileSize: Number.POSITIVE_INFINITY };
    this.#parts = request.parts({ limits, isPartAFile: () => true });
    this.#ended.promise.catch(() => {});
  }

  /** Starts reading. */
  async open(): Promise<IncomingPart> {
    const { raw } = this.#request;
    raw.on('data', this.#watch);
    finished(raw, { writable: false }, (cause) => {
      if (!cause) return this.#ended.resolve();
      const error = new UploadError('malformed', 'the upload was broken off', { cause });
      this.#ended.reject(error);
      this.#options.onError(error);
    });
    const { value: part } = await this.#next();
    if (!this.#head) throw incomplete();
    if (part?.type !== 'file') throw malformed('the headers of the part cannot be read: is a line end in a name?');
    return { ...this.#head, file: part.file };
  }

  /** Resolves when the body has ended, with the number of bytes after the closing delimiter. */
  async end({ offset }: IncomingPart, fileBytes: number): Promise<number> {
    if (!(await this.#next()).done) throw tooManyParts();
    this.#closedAt = offset + fileBytes + this.closing.length;
    // The library leaves the body paused.
    this.#request.raw.resume();
    await this.#ended.promise;
    const epilogueBytes = this.#seen - this.#closedAt;
    const end = this.#tail.subarray(-epilogueBytes - this.closing.length);
    const isBlank = end.subarray(this.closing.length).every((byte) => LINE_ENDS_AND_BLANKS.includes(byte));
    if (epilogueBytes < 0 || epilogueBytes > EPILOGUE_BYTES_MAX || end.indexOf(this.closing) !== 0 || !isBlank) {
      throw trailing();
    }
    return epilogueBytes;
  }

  /** Stops reading. */
  close(): void {
    clearImmediate(this.#turn);
    this.#request.raw.off('data', this.#watch).unpipe();
  }

  readonly #watch = (chunk: Buffer): void => {
    this.#options.onBytes?.(chunk.length);
    this.#seen += chunk.length;
    this.#chunks += 1;
    if (this.#chunks % TURN_CHUNKS === 0) {
      const raw = this.#request.raw.pause();
      this.#turn = setImmediate(() => raw.resume());
    }
    const tailBytes = this.closing.length + EPILOGUE_BYTES_MAX;
    this.#tail = (chunk.length < tailBytes ? Buffer.concat([this.#tail, chunk]) : chunk).subarray(-tailBytes);
    try {
      if (this.#headReader) this.#readHead(this.#headReader, chunk);
      if (this.#seen > this.#closedAt + EPILOGUE_BYTES_MAX) throw trailing();
      // The library also reads on past a part that it skips, and past the end of a file that waits to be sent.
      if (this.#seen > this.#options.bytesMax + FRAMING_BYTES_MAX) throw tooLarge(this.#options.bytesMax);
    } catch (error) {
      this.#options.onError(error);
    }
  };

  #readHead(reader: FormHeadReader, chunk: Buffer): void {
    this.#head = reader.write(chunk);
    if (!this.#head) return;
    this.#headReader = undefined;
    this.#options.check(this.#head.headers);
  }

  async #next() {
    try {
      return await this.#parts.next();
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'FST_PARTS_LIMIT') throw tooManyParts();
      throw incomplete(cause);
    }
  }
}

const tooManyParts = () => new UploadError('too-many-parts', 'the form may have one file and nothing else');

const trailing = () => malformed('bytes other than line ends and blanks follow the closing boundary');

const incomplete = (cause?: unknown) =>
  new UploadError('malformed', 'the body ends before its closing boundary', { cause });
