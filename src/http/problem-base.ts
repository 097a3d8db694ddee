import type { IncomingMessage } from 'node:http';

/** What stands before `/problems/<slug>` in the type of a problem that answers this request. */
export type ProblemBase = (request: IncomingMessage | undefined) => string;

/**
 * `PUBLIC_URL` if it is set, else `http://` (this listener has no TLS) and the Host of the request, else nothing. Called for each
 * response and stored nowhere, so that a shared or replayed failure names the host that its own request named.
 */
export function createProblemBase(publicUrl: string | undefined): ProblemBase {
  const known = publicUrl?.replace(/\/$/, '');
  return (request) => known ?? originOf(request?.headersDistinct.host);
}

/** Empty for several Host headers, and for a value that is not a host with an optional port: nothing of it is repeated. */
function originOf([host, second]: readonly string[] = []): string {
  if (host === undefined || second !== undefined || host.length > 262 || !hostAndPort.test(host)) return '';
  return URL.parse(`http://${host}`)?.origin ?? '';
}

const hostAndPort = /^(?:(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?|\[[\da-f:.]{2,45}\])(?::\d{1,5})?$/i;
