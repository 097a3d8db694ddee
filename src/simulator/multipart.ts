import { createHash, type Hash } from 'node:crypto';
import type { Part } from './call.ts';

export interface MultipartResult {
  readonly parts: readonly Part[];
  /** The final boundary was on the wire: without it the body is cut, whatever the HTTP framing says. */
  readonly finished: boolean;
  readonly malformed?: string;
  /** The first part's content, where keeping was asked for and it fitted. */
  readonly kept: Buffer | undefined;
}

export interface MultipartParser {
  write(chunk: Buffer): void;
  end(): MultipartResult;
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
 * Reads the bytes as they were on the wire, so that a test sees what was really sent; a library would show what it made
 * of them. Holds one chunk and one delimiter, and up to `keepMax` bytes of the first part.
 */
export function multipartParser(boundary: string, keepMax: number): MultipartParser {
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  const parts: Part[] = [];
  const kept: Buffer[] = [];
  let keptBytes = 0;
  let state: 'preamble' | 'delimited' | 'headers' | 'content' | 'finished' | 'broken' = 'preamble';
  let malformed: string | undefined;
  let open: OpenPart | undefined;
  // The first delimiter has no line break of its own before it.
  let pending: Buffer = Buffer.from('\r\n');

  function fail(reason: string): false {
    state = 'broken';
    malformed = reason;
    return false;
  }

  function take(bytes: Buffer): void {
    if (!open) return;
    open.bytes += bytes.length;
    open.hash.update(bytes);
    if (parts.length > 0 || keptBytes > keepMax) return;
    keptBytes += bytes.length;
    if (keptBytes <= keepMax) kept.push(Buffer.from(bytes));
  }

  function close(): void {
    if (open) parts.push(describe(open));
    open = undefined;
  }

  /** One step of the grammar; false when more bytes are needed. */
  function step(): boolean {
    if (state === 'preamble' || state === 'content') return untilDelimiter();
    if (state === 'delimited') {
      if (pending.length < 2) return false;
      const next = pending.toString('latin1', 0, 2);
      if (next !== '--' && next !== '\r\n') return fail('a boundary is followed by neither a line break nor "--"');
      state = next === '--' ? 'finished' : 'headers';
      if (state === 'finished') pending = pending.subarray(2);
      return true;
    }
    if (state === 'headers') {
      // The line break of the boundary is still there, so a part without header lines ends at once.
      const end = pending.indexOf(blankLine);
      if (end < 0) return pending.length > headersMax ? fail('the header lines of a part are too long') : false;
      const text = pending.toString('utf8', 2, Math.max(2, end));
      open = { headers: text === '' ? [] : text.split('\r\n'), hash: createHash('sha256'), bytes: 0 };
      pending = pending.subarray(end + blankLine.length);
      state = 'content';
      return true;
    }
    return false;
  }

  function untilDelimiter(): boolean {
    const at = pending.indexOf(delimiter);
    if (at < 0) {
      const safe = Math.max(0, pending.length - delimiter.length + 1);
      if (state === 'content') take(pending.subarray(0, safe));
      pending = pending.subarray(safe);
      return false;
    }
    if (state === 'content') take(pending.subarray(0, at));
    close();
    pending = pending.subarray(at + delimiter.length);
    state = 'delimited';
    return true;
  }

  return {
    write(chunk) {
      if (state === 'broken') return;
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      while (step());
    },
    end() {
      if (state === 'finished' && /[^\t\r\n ]/.test(pending.toString('latin1'))) {
        malformed = 'bytes other than line ends and blanks follow the final boundary';
      }
      // A cut part is shown too: how far an interrupted upload came is worth asserting.
      if (open) take(pending);
      close();
      const fits = keptBytes <= keepMax && parts.length > 0;
      return {
        parts,
        finished: state === 'finished',
        ...(malformed === undefined ? {} : { malformed }),
        kept: fits ? Buffer.concat(kept) : undefined,
      };
    },
  };
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
