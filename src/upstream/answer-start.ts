import { Readable } from 'node:stream';
import { brotliDecompressSync, constants, unzipSync } from 'node:zlib';
import { Problem } from '../problem.ts';
import { BodyRejectedError } from './body-rejected-error.ts';
import { isExplainedByStatus, responseAborted, withDeadline } from './client.ts';
import type { StreamingResponse } from './streaming.ts';
import type { HttpResponse } from './types.ts';

/** The bytes of a streamed answer that are always inspected. */
export const startBytes = 512;
/** The most bytes that are inspected for a reason or a failure in JSON. */
export const jsonBytes = 64 * 1024;

export const headerOf = (answer: StreamingResponse, name: string): string | undefined => {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

/** Returns the first bytes of a stream, and a stream that starts with them. `enough` decides from the bytes so far how many are needed. */
export async function peek(
  body: Readable,
  enough: (start: Buffer) => number,
): Promise<{ head: Buffer; rest: Readable }> {
  const chunks: Buffer[] = [];
  const iterator: AsyncIterator<Buffer> = body.iterator({ destroyOnReturn: false });
  let bytes = 0;
  let ended = false;
  while (!ended && (bytes < startBytes || bytes < enough(chunks[0] ?? Buffer.alloc(0)))) {
    const next = await iterator.next();
    ended = next.done === true;
    if (!next.done) {
      chunks.push(next.value);
      bytes += next.value.length;
    }
  }
  const rest = Readable.from(
    (async function* () {
      yield* chunks;
      if (!ended) yield* body;
    })(),
    { objectMode: false },
  );
  // If the new stream is destroyed before it is read, its source is destroyed too.
  rest.once('close', () => body.destroy());
  return { head: Buffer.concat(chunks), rest };
}

/** The beginning of a body as text, decompressed if necessary; empty if it cannot be decoded. */
export function textOf(head: Buffer, answer: StreamingResponse): string {
  const bytes = unpacked(head, headerOf(answer, 'content-encoding')?.trim().toLowerCase() ?? '');
  const mark = bytes.subarray(0, 2).toString('hex');
  const encoding = mark === 'fffe' ? 'utf-16le' : mark === 'feff' ? 'utf-16be' : 'utf-8';
  return new TextDecoder(encoding).decode(bytes);
}

function unpacked(head: Buffer, encoding: string): Buffer {
  const bounds = { maxOutputLength: 1024 * 1024 };
  try {
    if (['gzip', 'x-gzip', 'deflate'].includes(encoding)) {
      return unzipSync(head, { ...bounds, finishFlush: constants.Z_SYNC_FLUSH });
    }
    if (encoding !== 'br') return head;
    return brotliDecompressSync(head, { ...bounds, finishFlush: constants.BROTLI_OPERATION_FLUSH });
  } catch {
    return Buffer.alloc(0);
  }
}

/**
 * Reads a refusal with as many of its words as make a reason. If the words break off, come too late or contain our key, they
 * are left out where the status suffices; otherwise that failure is thrown as a Problem. The caller destroys the body.
 */
export async function refusalFrom(answer: StreamingResponse, deadline: number | undefined): Promise<HttpResponse> {
  const { kind, status, headers } = answer;
  const containedKey = answer.containedKey && { containedKey: true as const };
  try {
    const { head } = await withDeadline(
      peek(answer.body, () => jsonBytes),
      deadline,
    );
    return { kind, status, headers, text: textOf(head, answer), ...containedKey };
  } catch (thrown) {
    if (!isExplainedByStatus(status)) throw thrown instanceof Problem ? thrown : responseAborted(thrown);
    const quotes = thrown instanceof BodyRejectedError && thrown.code === 'KEY_ECHOED';
    return { kind, status, headers, text: '', ...(quotes ? { containedKey: true as const } : containedKey) };
  }
}
