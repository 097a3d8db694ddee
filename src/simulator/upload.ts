import type { IncomingMessage } from 'node:http';
import type { Part } from './call.ts';
import { pause } from './faults.ts';
import { boundaryOf, MultipartParser, type MultipartResult } from './multipart.ts';
import type { Route } from './operations.ts';

/** Faults in an upload that arrived completely. */
export type UploadFault = string;

export interface ReceivedBody {
  /** The whole HTTP body arrived. */
  readonly complete: boolean;
  readonly bytes: number;
  /** The text of a body that is no upload. */
  readonly raw: Buffer;
  readonly parts: readonly Part[] | undefined;
  readonly fault: UploadFault | undefined;
  /** The content of a file, if it is kept. */
  readonly kept: Buffer | undefined;
}

export interface ReadOptions {
  readonly signal: AbortSignal;
  readonly bytesPerSecond: number | undefined;
  /** Stops after the first chunk. */
  readonly firstChunkOnly: boolean;
}

/** CSV sends change the tenant's state, so the rows are kept; a longer CSV is refused. */
const csvMax = 8 * 1_048_576;
/** Pictures are kept for the phone, and other short files with them. */
const pictureMax = 1_048_576;
const jsonMax = 16 * 1_048_576;

/** Reads to the end of the body or of the connection. An interrupted upload is a result, not an error. */
export async function receive(
  request: IncomingMessage,
  route: Route | undefined,
  options: ReadOptions,
): Promise<ReceivedBody> {
  const boundary = route?.body === 'file' ? boundaryOf(request.headers['content-type'] ?? '') : undefined;
  const keepMax = route?.operation === 'sendTemplateMessageCSV' ? csvMax : pictureMax;
  const parser = boundary === undefined ? undefined : new MultipartParser(boundary, keepMax);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // Leaving the loop must not close the socket, because a reset is still to be sent.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      if (!Buffer.isBuffer(chunk)) continue;
      bytes += chunk.length;
      if (parser) parser.write(chunk);
      else if (bytes <= jsonMax) chunks.push(chunk);
      if (options.firstChunkOnly) break;
      if (options.bytesPerSecond) await pause((chunk.length / options.bytesPerSecond) * 1_000, options.signal);
    }
  } catch {
    // The client disconnected: what arrived is recorded as incomplete.
  }
  const result = parser?.end();
  return {
    complete: request.complete && !options.firstChunkOnly,
    bytes,
    raw: Buffer.concat(chunks),
    parts: result?.parts,
    fault: route?.body === 'file' ? faultOf(route, result) : undefined,
    kept: result?.kept,
  };
}

function faultOf(route: Route, result: MultipartResult | undefined): UploadFault | undefined {
  if (!result) return 'body is not multipart/form-data with a boundary';
  if (result.malformed !== undefined) return `body is malformed: ${result.malformed}`;
  if (!result.finished) return 'body ended without the final boundary';
  const wanted = route.operation === 'sendTemplateMessageCSV' ? 'whatsapp_numbers_csv' : 'file';
  const [part, ...more] = result.parts;
  if (!part || more.length > 0) return `body has ${result.parts.length} parts instead of the one part ${wanted}`;
  if (part.name !== wanted) return `body has a part ${JSON.stringify(part.name)} instead of ${wanted}`;
  if (part.filename === undefined) return `body part ${wanted} has no filename`;
  if (/[/\\]/.test(part.filename)) return `body part ${wanted} has a filename with a path`;
  return part.contentType === undefined ? `body part ${wanted} has no content type` : undefined;
}
