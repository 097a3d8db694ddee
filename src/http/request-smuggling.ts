import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { invalid, type Problem } from '../problem.ts';

/**
 * Set on every response. Media and problem texts contain foreign content, so browsers must not guess a type or run anything in
 * them; caches must not keep customers' data. There is no CORS, because no page of another origin may call this service.
 */
export const secureHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
} as const;

/** The most names and values together: 100 header lines. Callers send about a dozen. */
const rawHeadersMax = 2 * 100;

/** Headers that the service reads. None needs more than `headerLengthMax`, and the code that reads them relies on that bound. */
export const boundedHeaders = [
  'accept',
  'authorization',
  'content-encoding',
  'content-type',
  'expect',
  'host',
  'idempotency-key',
  'if-none-match',
  'maton-connection',
  'prefer',
  'priority',
  'traceparent',
  'transfer-encoding',
  'upgrade',
  'x-request-id',
] as const;

export const headerLengthMax = 512;

/**
 * Headers that must not occur twice: Node uses the first one, and a proxy may have used the other. Grouped by length, so that
 * checking a header line is cheap.
 */
const singles = new Map([
  ['host'.length, 'host'],
  ['authorization'.length, 'authorization'],
  ['content-type'.length, 'content-type'],
]);

const rejected = new WeakSet<Socket>();

/** Whether the connection has had its last response. Later requests on it, and parser errors, are not answered. */
export const isConnectionRejected = (socket: Socket): boolean => rejected.has(socket);

/** The response being sent is the last one on this connection: requests after it are not processed. */
export const rejectFollowing = (socket: Socket): void => void rejected.add(socket);

/** Returns why a request is ambiguous. Runs on every request, so it reads each header line once. */
export function findAmbiguity({ headers, rawHeaders, url = '', httpVersion }: IncomingMessage): string | undefined {
  if (rawHeaders.length > rawHeadersMax) return 'more than 100 header lines';
  const twice = repeatedSingle(rawHeaders);
  if (twice !== undefined) return `more than one ${twice}`;
  const { host, expect, 'transfer-encoding': coding } = headers;
  if (host === undefined && httpVersion === '1.1') return 'no Host';
  if (host !== undefined && !/^[\w.:[\]-]*$/.test(host)) return 'Host is not a host';
  if (url[0] !== '/' && targetAuthority(url) !== host?.toLowerCase()) return 'the target is not on this Host';
  if (coding !== undefined && (coding !== 'chunked' || httpVersion !== '1.1')) {
    return 'Transfer-Encoding can only be chunked, in HTTP/1.1';
  }
  if (expect !== undefined && httpVersion === '1.1' && !/^100-continue$/i.test(expect)) {
    return 'Expect can only be 100-continue';
  }
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'this service speaks HTTP/1.1 only';
  return undefined;
}

/** The name of a header that occurs twice and must not. */
function repeatedSingle(rawHeaders: readonly string[]): string | undefined {
  let seen: string[] | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    const single = singles.get(name.length);
    if (single === undefined || name.toLowerCase() !== single) continue;
    if (seen?.includes(single)) return written(single);
    seen ??= [];
    seen.push(single);
  }
  return undefined;
}

/** `content-type` -> `Content-Type`. */
const written = (name: string): string =>
  name
    .split('-')
    .map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)
    .join('-');

/** The first header that is longer than any valid value of it. */
export function longHeaderFault({ headers, rawHeaders }: IncomingMessage): Problem | undefined {
  let length = 0;
  for (const part of rawHeaders) length += part.length;
  if (length <= headerLengthMax) return undefined;
  // Lines with the same name are added up, because the code that reads them sees them joined.
  const name = boundedHeaders.find((each) => (headers[each]?.length ?? 0) > headerLengthMax);
  if (name === undefined) return undefined;
  return invalid([{ pointer: `/headers/${name}`, detail: `is longer than ${headerLengthMax} characters` }]);
}

/** The authority of an absolute-form target (RFC 9112, 3.2.2); `undefined` for any other. */
const targetAuthority = (target: string) => /^https?:\/\/([^/?#]+)/i.exec(target)?.[1]?.toLowerCase();
