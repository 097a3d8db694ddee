import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from './call.ts';

export type Fault =
  /** Closes the connection without reading the body. */
  | 'refuse'
  /** Reads the whole request, does nothing, sends RST. */
  | 'reset-before'
  /** Acts on the request, then sends RST. */
  | 'reset-after'
  /** Acts on the request, then sends FIN without an answer. */
  | 'close-after'
  /** Neither acts nor answers. */
  | 'hang'
  /** Acts on the request and never answers. */
  | 'hang-processed'
  /** Acts on the request and answers after `lateMs`. */
  | 'late'
  /** Sends the full content-length, half of the bytes, and FIN. */
  | 'truncate'
  /** One byte of the body per 300 ms. */
  | 'drip'
  /** RST after the first chunk of the request body. */
  | 'reset-mid-body'
  /** Answers before the request body is read. */
  | 'early';

/** A stubbed answer. Without `status` and `body` it is the tenant's own answer, delivered through the fault. */
export interface Scripted {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON, a string and a Buffer as they are. */
  readonly body?: unknown;
  readonly contentType?: string;
  /** Whether the tenant acts on the request. By default as the fault says, else if the status is 200. */
  readonly process?: boolean;
  readonly fault?: Fault;
  /** Messages with this fault cause no webhooks. */
  readonly silent?: true;
  readonly delayMs?: number;
  /** Answers when this resolves, instead of after a time. */
  readonly until?: Promise<unknown>;
  /** Reads the request body no faster than this. */
  readonly readBytesPerSecond?: number;
}

const idle: ReadonlySet<Fault> = new Set<Fault>(['refuse', 'reset-before', 'hang', 'reset-mid-body', 'early']);
const active: ReadonlySet<Fault> = new Set<Fault>(['reset-after', 'close-after', 'hang-processed', 'late']);
const dripMs = 300;

export function processes(scripted: Scripted): boolean {
  if (scripted.process !== undefined) return scripted.process;
  if (scripted.fault && idle.has(scripted.fault)) return false;
  if (scripted.fault && active.has(scripted.fault)) return true;
  return (scripted.status ?? 200) === 200;
}

export function isOwnAnswer(scripted: Scripted): boolean {
  return scripted.status === undefined && scripted.body === undefined;
}

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Ends every wait when the server stops. */
  readonly signal: AbortSignal;
  readonly contentType: string;
  readonly lateMs: number;
}

/** Answers on the socket itself, or fails as the fault says. Resolves with the status that was sent, if there was one. */
export async function perform(
  exchange: Exchange,
  answer: Answer,
  { fault, delayMs, until }: Pick<Scripted, 'fault' | 'delayMs' | 'until'>,
): Promise<number | undefined> {
  const { request, response, signal } = exchange;
  const { socket } = request;
  if (delayMs !== undefined) await pause(delayMs, signal);
  if (until && !signal.aborted) await Promise.race([until, once(signal, 'abort')]);
  if (fault === 'hang' || fault === 'hang-processed') return undefined;
  if (fault === 'reset-before' || fault === 'reset-after' || fault === 'reset-mid-body') {
    socket.resetAndDestroy();
    return undefined;
  }
  if (fault === 'refuse' || fault === 'close-after') {
    socket.destroy();
    return undefined;
  }
  if (fault === 'late') await pause(exchange.lateMs, signal);
  if (socket.destroyed) return undefined;

  const { bytes, headers } = render(answer, exchange.contentType);
  response.writeHead(answer.status, headers);
  if (fault === 'truncate') {
    response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => socket.end());
  } else if (fault === 'drip') {
    await drip(response, bytes, signal);
  } else {
    response.end(bytes);
  }
  return answer.status;
}

/** Waits; ends early when the server stops, and does not keep the process alive. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
}

async function drip(response: ServerResponse, bytes: Buffer, signal: AbortSignal): Promise<void> {
  for (let at = 0; at < bytes.length && !response.destroyed && !signal.aborted; at += 1) {
    response.write(bytes.subarray(at, at + 1));
    await pause(dripMs, signal);
  }
  response.end();
}

function render(answer: Answer, jsonType: string): { bytes: Buffer; headers: Record<string, string> } {
  const { bytes, type } = encode(answer.body, jsonType);
  const contentType = answer.contentType ?? type;
  return {
    bytes,
    headers: {
      ...(contentType === undefined ? {} : { 'content-type': contentType }),
      'content-length': String(bytes.length),
      ...answer.headers,
    },
  };
}

function encode(body: unknown, jsonType: string): { bytes: Buffer; type: string | undefined } {
  if (body === undefined) return { bytes: Buffer.alloc(0), type: undefined };
  if (Buffer.isBuffer(body)) return { bytes: body, type: 'application/octet-stream' };
  if (typeof body !== 'string') return { bytes: Buffer.from(JSON.stringify(body)), type: jsonType };
  return { bytes: Buffer.from(body), type: body.startsWith('<') ? 'text/html; charset=utf-8' : jsonType };
}
