import { createHash, type Hash } from 'node:crypto';
import type { Part } from './call.ts';

export interface MultipartResult {
  readonly parts: readonly Part[];
  /** The final boundary was received. Without it the body is incomplete, whatever the HTTP framing says. */
  readonly finished: boolean;
  readonly malformed?: string;
  /** The first part's content, if it was to be kept and was short enough. */
  readonly kept: Buffer | undefined;
}

interface OpenPart {
  readonly headers: readonly string[];
  readonly hash: Hash;
  bytes: number;
}

const headersMax = 16_384;
const blankLine = Buffer.from('\r\n\r\n');

/** The boundary of a `multipart/form-data` content type, quoted or not. */
export function boundaryOf(contentType: string): string | undefined {
  const match = /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  return match?.[1] ?? match?.[2];
}

/**
 * Parses the bytes as received, so that a test sees what was really sent; a library would show its own interpretation. Keeps
 * one chunk and one delimiter, and up to `keepMax` bytes of the first part.
 */
export class MultipartParser {
  readonly #delimiter: Buffer;
  readonly #keepMax: number;
  readonly #parts: Part[] = [];
  readonly #kept: Buffer[] = [];
  #keptBytes = 0;
  #state: 'preamble' | 'delimited' | 'headers' | 'content' | 'finished' | 'broken' = 'preamble';
  #malformed: string | undefined;
  #open: OpenPart | undefined;
  // The first delimiter has no line break before it.
  #pending: Buffer = Buffer.from('\r\n');

  constructor(boundary: string, keepMax: number) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
    this.#keepMax = keepMax;
  }

  write(chunk: Buffer): void {
    if (this.#state === 'broken') return;
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (this.#step());
  }

  end(): MultipartResult {
    if (this.#state === 'finished' && /[^\t\r\n ]/.test(this.#pending.toString('latin1'))) {
      this.#malformed = 'bytes other than line ends and blanks follow the final boundary';
    }
    // A cut part is recorded too, because tests check how far an interrupted upload came.
    if (this.#open) this.#take(this.#pending);
    this.#close();
    const fits = this.#keptBytes <= this.#keepMax && this.#parts.length > 0;
    return {
      parts: this.#parts,
      finished: this.#state === 'finished',
      ...(this.#malformed === undefined ? {} : { malformed: this.#malformed }),
      kept: fits ? Buffer.concat(this.#kept) : undefined,
    };
  }

  /** One step of the grammar; false if more bytes are needed. */
  #step(): boolean {
    if (this.#state === 'preamble' || this.#state === 'content') return this.#untilDelimiter();
    if (this.#state === 'delimited') return this.#afterDelimiter();
    return this.#state === 'headers' && this.#headers();
  }

  #untilDelimiter(): boolean {
    const at = this.#pending.indexOf(this.#delimiter);
    if (at < 0) {
      const safe = Math.max(0, this.#pending.length - this.#delimiter.length + 1);
      if (this.#state === 'content') this.#take(this.#pending.subarray(0, safe));
      this.#pending = this.#pending.subarray(safe);
      return false;
    }
    if (this.#state === 'content') this.#take(this.#pending.subarray(0, at));
    this.#close();
    this.#pending = this.#pending.subarray(at + this.#delimiter.length);
    this.#state = 'delimited';
    return true;
  }

  #afterDelimiter(): boolean {
    if (this.#pending.length < 2) return false;
    const next = this.#pending.toString('latin1', 0, 2);
    if (next !== '--' && next !== '\r\n') {
      return this.#fail('a boundary is followed by neither a line break nor "--"');
    }
    this.#state = next === '--' ? 'finished' : 'headers';
    if (this.#state === 'finished') this.#pending = this.#pending.subarray(2);
    return true;
  }

  #headers(): boolean {
    // The line break of the boundary is still there, so a part without header lines ends at once.
    const end = this.#pending.indexOf(blankLine);
    if (end < 0) return this.#pending.length > headersMax && this.#fail('the header lines of a part are too long');
    const text = this.#pending.toString('utf8', 2, Math.max(2, end));
    this.#open = { headers: text === '' ? [] : text.split('\r\n'), hash: createHash('sha256'), bytes: 0 };
    this.#pending = this.#pending.subarray(end + blankLine.length);
    this.#state = 'content';
    return true;
  }

  #take(bytes: Buffer): void {
    if (!this.#open) return;
    this.#open.bytes += bytes.length;
    this.#open.hash.update(bytes);
    if (this.#parts.length > 0 || this.#keptBytes > this.#keepMax) return;
    this.#keptBytes += bytes.length;
    if (this.#keptBytes <= this.#keepMax) this.#kept.push(Buffer.from(bytes));
  }

  #close(): void {
    if (this.#open) this.#parts.push(describe(this.#open));
    this.#open = undefined;
  }

  #fail(reason: string): false {
    this.#state = 'broken';
    this.#malformed = reason;
    return false;
  }
}

function describe(part: OpenPart): Part {
  const disposition = headerValue(part.headers, 'content-disposition') ?? '';
  const filename = parameter(disposition, 'filename');
  const contentType = headerValue(part.headers, 'content-type');
  return {
    name: parameter(disposition, 'name') ?? '',
    ...(filename === undefined ? {} : { filename }),
    ...(contentType === undefined ? {} : { contentType }),
    headers: part.headers,
    bytes: part.bytes,
    sha256: part.hash.digest('hex'),
  };
}

function headerValue(lines: readonly string[], name: string): string | undefined {
  const line = lines.find((text) => text.toLowerCase().startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim();
}

function parameter(disposition: string, name: string): string | undefined {
  return new RegExp(`;\\s*${name}="([^"]*)"`, 'i').exec(disposition)?.[1];
}
