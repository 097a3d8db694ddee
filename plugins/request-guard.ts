import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import fp from 'fastify-plugin';
import { Problem } from '../src/problem.ts';

/**
 * On every answer. Media and problem texts come from elsewhere: no browser may guess a type or run anything in them, and
 * no cache may keep what is said of a customer. There is no CORS: no page of another origin has any business here.
 */
export const secureHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
} as const;

/** Header names and values; a caller of ours sends a dozen lines. */
const rawHeadersMax = 2 * 100;

/**
 * Refuses what Node's parser lets through and another hop may read differently (delivery.md 1, Parser): where two read two
 * requests in the same bytes, one caller's answer goes to another. Such a connection ends with the answer.
 */
export const requestGuard = fp(async (app) => {
  // Beyond its own limit Node drops header lines silently, a second Host perhaps; their bytes are limited anyway.
  app.server.maxHeadersCount = 0;
  const headers = Object.entries(secureHeaders);

  app.addHook('onRequest', (request, reply, done) => {
    for (const [name, value] of headers) reply.header(name, value);
    const { socket } = request.raw;
    // What was answered with a 400 as too slow may come in after all: its caller believes that nothing happened.
    if (refused.has(socket)) {
      socket.destroy();
      return;
    }
    const fault = faultOf(request.raw);
    if (fault === undefined) return done();
    refused.add(socket);
    done(new Problem('malformed-request', fault, { headers: { connection: 'close' } }));
  });
});

const refused = new WeakSet<Socket>();

/** Whether the last answer on this connection was given: what the parser stumbles over behind it gets none. */
export const isRefused = (socket: Socket): boolean => refused.has(socket);

/** The last answer on this connection is being given: whatever comes in behind it is not acted on. */
export const refuseRest = (socket: Socket): void => void refused.add(socket);

/** What makes a request ambiguous, in words. On the path of every request: a look at each header line, no more. */
export function faultOf({ headers, rawHeaders, url = '', httpVersion }: IncomingMessage): string | undefined {
  if (rawHeaders.length > rawHeadersMax) return 'more than 100 header lines';
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  const { host, upgrade, expect, 'transfer-encoding': coding } = headers;
  if (hosts > 1) return 'more than one Host';
  if (hosts === 0 && httpVersion === '1.1') return 'no Host';
  if (host !== undefined && !/^[\w.:[\]-]*$/.test(host)) return 'Host is not a host';
  if (url[0] !== '/' && targetAuthority(url) !== host?.toLowerCase()) return 'the target is not on this Host';
  if (coding !== undefined && (coding !== 'chunked' || httpVersion !== '1.1')) {
    return 'Transfer-Encoding can only be chunked, in HTTP/1.1';
  }
  if (upgrade !== undefined) return 'Upgrade is not taken: this service speaks HTTP/1.1 only';
  if (expect !== undefined && httpVersion === '1.1' && !/^100-continue$/i.test(expect)) {
    return 'Expect can only be 100-continue';
  }
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'this service speaks HTTP/1.1 only';
  return undefined;
}

/** Of the absolute form (RFC 9112, 3.2.2); `undefined` of any other. */
const targetAuthority = (target: string) => /^https?:\/\/([^/?#]+)/i.exec(target)?.[1]?.toLowerCase();
