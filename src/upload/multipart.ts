import { createHash, randomBytes } from 'node:crypto';
import { finished, type Readable, Transform, type TransformCallback } from 'node:stream';
import { type CheckedFile, checkFile } from './file-kind.ts';
import { cleanFileName, safeFileName } from './file-name.ts';
import { FileSample } from './file-sample.ts';
import { boundaryOf, EPILOGUE_BYTES_MAX, FRAMING_BYTES_MAX, MultipartParser } from './multipart-parser.ts';
import { OfficeCheck } from './office-files.ts';
import type { PartHeaders } from './part-headers.ts';
import type { FileDigest, FileHead, Reframed, ReframeOptions } from './reframed.ts';
import { SpentChunks } from './spent-chunks.ts';
import { malformed, UploadError } from './upload-error.ts';

/**
 * Puts the caller's one file part into a body of our own while it streams. The last boundary is the commit: it goes out
 * only when the caller's body ended properly with exactly one file, within its limits, checked and digested. Otherwise
 * the stream is destroyed with an UploadError, and what went out is no complete body.
 *
 * Use `request.pipe(stream)`: a caller's stream that breaks off destroys this one. Not `pipeline()`, which also destroys
 * the request, and with it the socket the refusal has to be answered on. No listener is needed: the stream's errors arrive
 * at `head` and `done`, and neither is ever an unhandled rejection.
 *
 * The chunks written become the stream's own: once a reader that had paused resumes, those it was given are given back
 * to the system. So a reader may resume only when it is through with them, as a drained socket is.
 *
 * @throws UploadError at once: `unsupported-type` or `malformed` for the header, `too-large` for the declared length
 */
export function reframe(options: ReframeOptions): Reframed {
  const boundary = boundaryOf(options.contentType);
  if ((options.contentLength ?? 0) > options.bytesMax + FRAMING_BYTES_MAX) throw tooLarge(options.bytesMax);
  // The author of the file cannot guess it, so no data can end our part.
  const stream = new Reframer(options, boundary, `wati-bff-${randomBytes(24).toString('hex')}`);
  return { stream, contentType: stream.contentType, head: stream.head.promise, done: stream.done.promise };
}

/**
 * Yield to the event loop after this many bytes of one file. Node can read 2 MB from one socket without yielding, and eight such
 * uploads delayed all other requests by 40 ms. Checking CSV rows takes ten times as long.
 */
const TURN_BYTES = 256 * 1024;
const CHECKED_TURN_BYTES = 64 * 1024;

function tooLarge(limitBytes: number, what = 'the file'): UploadError {
  return new UploadError('too-large', `${what} has more than ${limitBytes} bytes`, { limitBytes });
}

class Reframer extends Transform {
  readonly contentType: string;
  readonly head = Promise.withResolvers<FileHead>();
  readonly done = Promise.withResolvers<FileDigest>();
  readonly #options: ReframeOptions;
  readonly #parser: MultipartParser;
  readonly #boundary: string;
  readonly #closing: string;
  readonly #incomingClosingLength: number;
  readonly #hash = createHash('sha256');
  #part: { headers: PartHeaders; offset: number } | undefined;
  #partEnded = false;
  /** File bytes so far. */
  #bytes = 0;
  #limit: { bytes: number; what: string };
  /** Until it decided what the file is. */
  #held: FileSample | undefined;
  #officeCheck: OfficeCheck | undefined;
  readonly #reader = Promise.withResolvers<void>();
  readonly #spent = new SpentChunks();
  /** Where in the caller's body the others are let in next. */
  #turnEnds = 0;
  /** Bytes of our body so far, gone out or waiting for the reader. */
  #pushed = 0;
  #paused = false;

  constructor(options: ReframeOptions, incomingBoundary: string, boundary: string) {
    super();
    this.#options = options;
    this.#held = new FileSample(options.kinds === 'media');
    this.#limit = { bytes: options.bytesMax, what: 'the file' };
    this.#boundary = boundary;
    this.#closing = `\r\n--${boundary}--`;
    this.#incomingClosingLength = `\r\n--${incomingBoundary}--`.length;
    this.contentType = `multipart/form-data; boundary=${boundary}`;
    this.#parser = new MultipartParser(incomingBoundary, {
      part: (headers, offset) => this.#takePart(headers, offset),
      data: (bytes) => this.#takeData(bytes),
      partEnd: () => {
        this.#partEnded = true;
      },
    });
    this.head.promise.catch(() => {});
    this.done.promise.catch(() => {});
    this.on('error', () => {});
    this.on('newListener', (event) => {
      if (event === 'data' || event === 'readable') this.#reader.resolve();
    });
    // Read to be compared only, under a key that was used before.
    this.once('resume', () => this.#reader.resolve());
    this.on('pipe', (source: Readable) => {
      finished(source, { writable: false }, (cause) => {
        if (cause) this.destroy(new UploadError('malformed', 'the upload was broken off', { cause }));
      });
    });
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#options.onBytes?.(chunk.length);
    try {
      // Before the file is known its bytes are held; a check may keep views on them (csv-parse does).
      const passes = this.#held === undefined && this.#options.check === undefined;
      this.#parser.write(chunk);
      if (passes) this.#spent.add(chunk, this.#pushed);
      const declared = this.#options.contentLength ?? Number.POSITIVE_INFINITY;
      if (this.#parser.seen > declared) throw malformed('the body is longer than its Content-Length');
    } catch (error) {
      callback(toError(error));
      return;
    }
    const held = this.#held;
    if (held !== undefined && (this.#partEnded || held.isComplete)) this.#open(held).then(() => callback(), callback);
    else if (this.#parser.seen < this.#turnEnds) callback();
    else {
      this.#turnEnds = this.#parser.seen + (this.#options.check ? CHECKED_TURN_BYTES : TURN_BYTES);
      setImmediate(callback);
    }
  }

  override _flush(callback: TransformCallback): void {
    this.#close().then((last) => callback(null, last), callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const reason = error ?? new UploadError('malformed', 'the upload was broken off');
    this.head.reject(reason);
    this.done.reject(reason);
    callback(error);
  }

  #takePart(headers: PartHeaders, offset: number): void {
    const { field } = this.#options;
    if (headers.field !== field) throw new UploadError('wrong-field', `the form may have the field "${field}" only`);
    if (headers.fileName === undefined) throw new UploadError('no-file', `the field "${field}" is not a file`);
    this.#part = { headers, offset };
  }

  #takeData(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#limit.bytes) throw tooLarge(this.#limit.bytes, this.#limit.what);
    if (this.#held !== undefined) {
      this.#held.add(bytes);
      return;
    }
    this.#check(bytes);
    this.#pass(bytes);
  }

  #check(bytes: Buffer): void {
    this.#options.check?.write(bytes);
    this.#officeCheck?.write(bytes);
  }

  #pass(bytes: Buffer): void {
    this.#hash.update(bytes);
    this.#put(bytes);
  }

  #put(bytes: Buffer): void {
    this.#pushed += bytes.length;
    this.push(bytes);
  }

  override pause(): this {
    this.#paused = true;
    return super.pause();
  }

  /** undici pauses when its socket has enough and resumes when that is drained: what it was given has left the process. */
  override resume(): this {
    if (this.#paused) this.#spent.release(this.#pushed - this.readableLength);
    this.#paused = false;
    return super.resume();
  }

  /** The first bytes are there: decides what the file is, and only then lets anything out. */
  async #open(held: FileSample): Promise<void> {
    if (this.#part === undefined || this.#bytes === 0) throw new UploadError('no-file', 'the file is empty');
    const { headers, offset } = this.#part;
    const { kinds, upstreamField, fileId } = this.#options;
    const name = cleanFileName(headers.fileName ?? '');
    const file = await checkFile(kinds, { declared: headers.contentType, name, firstBytes: held.firstBytes });
    if (this.destroyed) return;
    const fileName = safeFileName(name, fileId, file.extensions);
    const opening = Buffer.from(
      `--${this.#boundary}\r\nContent-Disposition: form-data; name="${upstreamField}"; filename="${fileName}"\r\n` +
        `Content-Type: ${file.mimeType}\r\n\r\n`,
    );
    // Before the head, so that a CSV with a wrong header never opens a request to WATI.
    this.#officeCheck = OfficeCheck.for(file.mimeType);
    this.#check(held.bytes);
    if (this.#partEnded) this.#officeCheck?.end();
    const contentLength = this.#outgoingLength(file, offset, opening.length);
    const head = { fileName, mimeType: file.mimeType, kind: file.kind };
    this.head.resolve(contentLength === undefined ? head : { ...head, contentLength });
    await this.head.promise;
    this.#held = undefined;
    this.#put(opening);
    this.#pass(held.bytes);
  }

  /**
   * The caller's length covers its framing, and everything of it is known by now but how many line ends and blanks follow
   * the closing boundary. As many follow ours, so that they cancel out.
   */
  #outgoingLength(file: CheckedFile, offset: number, openingLength: number): number | undefined {
    const { bytesMax, contentLength } = this.#options;
    const bytes = Math.min(bytesMax, file.bytesMax);
    this.#limit = { bytes, what: bytes < bytesMax ? `a file of kind ${file.kind}` : 'the file' };
    if (this.#bytes > bytes) throw tooLarge(bytes, this.#limit.what);
    if (contentLength === undefined) return undefined;
    const fileAndEnd = contentLength - offset - this.#incomingClosingLength;
    if (fileAndEnd < this.#bytes) throw malformed('the body is longer than its Content-Length');
    // What may be its end is no fault of the file: that is told when it has come.
    if (fileAndEnd - EPILOGUE_BYTES_MAX > bytes) throw tooLarge(bytes, this.#limit.what);
    return openingLength + fileAndEnd + this.#closing.length;
  }

  /** The commit. */
  async #close(): Promise<Buffer> {
    this.#parser.end();
    const { contentLength, check } = this.#options;
    if (contentLength !== undefined && this.#parser.seen !== contentLength) {
      throw malformed('the body is shorter than its Content-Length');
    }
    this.#officeCheck?.end();
    await check?.end();
    // To a body that is over before it is read, undici gives a Content-Length of its own.
    await this.#reader.promise;
    if (this.destroyed) throw malformed('the upload was broken off');
    this.done.resolve({ bytes: this.#bytes, sha256: this.#hash.digest('hex') });
    const endBytes = contentLength === undefined ? '\r\n'.length : this.#parser.epilogueBytes;
    return Buffer.from(this.#closing + endOf(endBytes));
  }
}

/** Line ends as programs write them behind a closing boundary; an odd one is a blank before them, as RFC 2046 has it. */
const endOf = (bytes: number): string => ' '.repeat(bytes % 2) + '\r\n'.repeat(Math.floor(bytes / 2));

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error('the upload cannot be read', { cause: error });
}
