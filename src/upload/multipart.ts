import { createHash, randomBytes } from 'node:crypto';
import { finished, Transform, type TransformCallback } from 'node:stream';
import { toError } from '../lib/to-error.ts';
import { type CheckedFile, checkFile } from './file-kind.ts';
import { cleanFileName, safeFileName } from './file-name.ts';
import { FileSample } from './file-sample.ts';
import {
  EPILOGUE_BYTES_MAX,
  type FormRequest,
  FRAMING_BYTES_MAX,
  IncomingForm,
  type IncomingPart,
} from './incoming-form.ts';
import { OfficeCheck } from './office-files.ts';
import type { PartHeaders } from './part-headers.ts';
import type { FileDigest, FileHead, Reframed, ReframeOptions } from './reframed.ts';
import { malformed, tooLarge, UploadError } from './upload-error.ts';

/**
 * Copies the caller's one file part into a body of our own while it streams. The final boundary is the commit: it goes out only
 * if the caller's body ended properly with exactly one file, within its limits, checked and digested. Otherwise the stream is
 * destroyed with an UploadError, and the body that went out stays incomplete.
 *
 * The request itself is never destroyed, because the refusal is answered on its socket. No listener is needed: errors of the
 * stream reject `head` and `done`, and neither is ever an unhandled rejection.
 *
 * @throws UploadError at once: `unsupported-type` or `malformed` for the header, `too-large` for the declared length
 */
export function reframe(request: FormRequest, options: ReframeOptions): Reframed {
  const stream = new Reframer(request, options);
  options.onRead?.();
  stream.start();
  return { stream, contentType: stream.contentType, head: stream.head.promise, done: stream.done.promise };
}

/**
 * Yield to the event loop after this many bytes of one file. Node can read 2 MB from one socket without yielding, and eight
 * such uploads delayed all other requests by 40 ms. CSV rows may have 12 bytes and take 5 µs each, so chunks of them are split.
 */
const TURN_BYTES = 256 * 1024;
const CHECKED_TURN_BYTES = 16 * 1024;

class Reframer extends Transform {
  readonly contentType: string;
  readonly head = Promise.withResolvers<FileHead>();
  readonly done = Promise.withResolvers<FileDigest>();
  readonly #options: ReframeOptions;
  readonly #form: IncomingForm;
  /** Length of the caller's whole body, if declared. */
  readonly #bodyBytes: number | undefined;
  readonly #boundary: string;
  readonly #closing: string;
  readonly #hash = createHash('sha256');
  #part: IncomingPart | undefined;
  /** File bytes so far. */
  #bytes = 0;
  #limit: { bytes: number; what: string };
  /** Holds the first bytes until they show what the file is. */
  #sample: FileSample | undefined;
  #officeCheck: OfficeCheck | undefined;
  readonly #readingBegan = Promise.withResolvers<void>();
  /** Offset in the file at which the next yield to the event loop is due. */
  #turnEnds = 0;

  constructor(request: FormRequest, options: ReframeOptions) {
    const { bytesMax, kinds, onBytes } = options;
    super();
    this.#form = new IncomingForm(request, {
      bytesMax,
      check: (headers) => this.#checkPart(headers),
      onBytes,
      onError: (error) => this.destroy(toError(error)),
    });
    const declared = Number(request.raw.headers['content-length'] ?? Number.NaN);
    this.#bodyBytes = Number.isSafeInteger(declared) ? declared : undefined;
    if (declared > bytesMax + FRAMING_BYTES_MAX) throw tooLarge(bytesMax);
    this.#options = options;
    this.#sample = new FileSample(kinds === 'media');
    this.#limit = { bytes: bytesMax, what: 'the file' };
    // Random, so that the author of the file cannot guess it and no data can end our part.
    this.#boundary = `wati-bff-${randomBytes(24).toString('hex')}`;
    this.#closing = `\r\n--${this.#boundary}--`;
    this.contentType = `multipart/form-data; boundary=${this.#boundary}`;
    this.head.promise.catch(() => {});
    this.done.promise.catch(() => {});
    this.on('error', () => {});
    this.on('newListener', (event) => {
      if (event === 'data' || event === 'readable') this.#readingBegan.resolve();
    });
    // The file is only read, to be compared with the one that was sent under the same key.
    this.once('resume', () => this.#readingBegan.resolve());
  }

  start(): void {
    this.#form.open().then(
      (part) => {
        this.#part = part;
        finished(part.file, { writable: false }, (cause) => {
          if (cause) this.destroy(new UploadError('malformed', 'the body ends before its closing boundary', { cause }));
        });
        part.file.pipe(this);
      },
      (error) => this.destroy(toError(error)),
    );
  }

  override _transform(chunk: Buffer, encoding: BufferEncoding, callback: TransformCallback): void {
    const part = this.#options.check ? chunk.subarray(0, CHECKED_TURN_BYTES) : chunk;
    const rest = chunk.subarray(part.length);
    const next: TransformCallback = (error) => {
      if (error || rest.length === 0 || this.destroyed) callback(error);
      else this._transform(rest, encoding, callback);
    };
    try {
      this.#take(part);
    } catch (error) {
      callback(toError(error));
      return;
    }
    if (this.#sample?.isComplete) this.#open(this.#sample).then(() => setImmediate(next), next);
    else if (this.#bytes < this.#turnEnds) next();
    else {
      this.#turnEnds = this.#bytes + (this.#options.check ? CHECKED_TURN_BYTES : TURN_BYTES);
      setImmediate(next);
    }
  }

  override _flush(callback: TransformCallback): void {
    this.#close().then((last) => callback(null, last), callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#form.close();
    const reason = error ?? new UploadError('malformed', 'the upload was broken off');
    this.head.reject(reason);
    this.done.reject(reason);
    callback(error);
  }

  #checkPart(headers: PartHeaders): void {
    const { field } = this.#options;
    if (headers.field !== field) throw new UploadError('wrong-field', `the form may have the field "${field}" only`);
    if (headers.fileName === undefined) throw new UploadError('no-file', `the field "${field}" is not a file`);
  }

  #take(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#limit.bytes) throw tooLarge(this.#limit.bytes, this.#limit.what);
    if (this.#sample) this.#sample.add(bytes);
    else {
      this.#check(bytes);
      this.#pass(bytes);
    }
  }

  #check(bytes: Buffer): void {
    this.#options.check?.write(bytes);
    this.#officeCheck?.write(bytes);
  }

  #pass(bytes: Buffer): void {
    this.#hash.update(bytes);
    this.push(bytes);
  }

  /** Called when the first bytes have arrived: decides what the file is, and only then starts the output. */
  async #open(sample: FileSample, isWhole = false): Promise<void> {
    if (this.#part === undefined || this.#bytes === 0) throw new UploadError('no-file', 'the file is empty');
    const { headers, offset } = this.#part;
    const { kinds, upstreamField, fileId } = this.#options;
    const name = cleanFileName(headers.fileName ?? '');
    const file = await checkFile(kinds, { declared: headers.contentType, name, firstBytes: sample.firstBytes });
    if (this.destroyed) return;
    const fileName = safeFileName(name, fileId, file.extensions);
    const opening = Buffer.from(
      `--${this.#boundary}\r\nContent-Disposition: form-data; name="${upstreamField}"; filename="${fileName}"\r\n` +
        `Content-Type: ${file.mimeType}\r\n\r\n`,
    );
    // Before the head, so that a CSV with a wrong header never opens a request to WATI.
    this.#officeCheck = OfficeCheck.for(file.mimeType);
    this.#check(sample.bytes);
    if (isWhole) this.#officeCheck?.end();
    const contentLength = this.#outgoingLength(file, offset, opening.length);
    const head = { fileName, mimeType: file.mimeType, kind: file.kind };
    this.head.resolve(contentLength === undefined ? head : { ...head, contentLength });
    await this.head.promise;
    this.#sample = undefined;
    this.push(opening);
    this.#pass(sample.bytes);
  }

  /**
   * The length of our body. The caller's Content-Length includes its framing, all of which is known by now but the number of
   * line ends and blanks after the closing boundary. Our body ends with the same number, so that they cancel out.
   */
  #outgoingLength(file: CheckedFile, offset: number, openingLength: number): number | undefined {
    const { bytesMax } = this.#options;
    const bytes = Math.min(bytesMax, file.bytesMax);
    this.#limit = { bytes, what: bytes < bytesMax ? `a file of kind ${file.kind}` : 'the file' };
    if (this.#bytes > bytes) throw tooLarge(bytes, this.#limit.what);
    if (this.#bodyBytes === undefined) return undefined;
    const fileAndEnd = this.#bodyBytes - offset - this.#form.closing.length;
    // These bytes may belong to the closing delimiter, so they are judged only when more have arrived.
    if (fileAndEnd - EPILOGUE_BYTES_MAX > bytes) throw tooLarge(bytes, this.#limit.what);
    return openingLength + fileAndEnd + this.#closing.length;
  }

  /** Ends our body with the final boundary. From then on WATI may have the whole file. */
  async #close(): Promise<Buffer> {
    if (this.#sample) await this.#open(this.#sample, true);
    if (this.#part === undefined) throw malformed('the upload was broken off');
    const epilogueBytes = await this.#form.end(this.#part, this.#bytes);
    this.#officeCheck?.end();
    await this.#options.check?.end();
    // If a body ends before it is read, undici would compute a Content-Length of its own.
    await this.#readingBegan.promise;
    if (this.destroyed) throw malformed('the upload was broken off');
    this.done.resolve({ bytes: this.#bytes, sha256: this.#hash.digest('hex') });
    return Buffer.from(this.#closing + endOf(this.#bodyBytes === undefined ? '\r\n'.length : epilogueBytes));
  }
}

/**
 * Fills our body with line ends, as programs write them after a closing boundary; an odd byte is a blank before them, as RFC
 * 2046 allows.
 */
const endOf = (bytes: number): string => ' '.repeat(bytes % 2) + '\r\n'.repeat(Math.floor(bytes / 2));
