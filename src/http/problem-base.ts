import type { IncomingMessage } from 'node:http';

/** The prefix of `/problems/<slug>` in the problem documents that answer this request. */
export type ProblemBase = (request: IncomingMessage | undefined) => string;

/**
 * `PUBLIC_URL` if set; else `http://` (this listener has no TLS) and the Host of the request; else empty. Called for each
 * response and not stored, so that a shared or replayed failure shows the host of the request that it answers.
 */
export function createProblemBase(publicUrl: string | undefined): ProblemBase {
  const known = publicUrl?.replace(/\/$/, '');
  return (request) => known ?? originOf(request?.headersDistinct.host);
}

/** Empty if there are several Host headers, or the value is not a host with an optional port. */
function originOf([host, second]: readonly string[] = []): string {
  if (host === undefined || second !== undefined || host.length > 262 || !hostAndPort.test(host)) return '';
  return URL.parse(`http://${host}`)?.origin ?? '';
}

const hostAndPort = /^(?:(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?|\[[\da-f:.]{2,45}\])(?::\d{1,5})?$/i;
