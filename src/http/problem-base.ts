import type { IncomingMessage } from 'node:http';

/** What stands before `/problems/<slug>` in the type of a problem that answers this request. */
export type ProblemBase = (request: IncomingMessage | undefined) => string;

/**
 * `PUBLIC_URL` where that is set, else the Host of the request, by http as this listener speaks it, else nothing. It is asked for
 * while an answer is written and kept nowhere: an answer that several share, or that is replayed, names the host of its reader.
 */
export function createProblemBase(publicUrl: string | undefined): ProblemBase {
  const known = publicUrl?.replace(/\/$/, '');
  return (request) => known ?? originOf(request?.headersDistinct.host);
}

/** Two names, or one with anything else in it, are no address: nothing of them is repeated. */
function originOf([host, second]: readonly string[] = []): string {
  if (host === undefined || second !== undefined || host.length > 262 || !hostAndPort.test(host)) return '';
  return URL.parse(`http://${host}`)?.origin ?? '';
}

const hostAndPort = /^(?:(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?|\[[\da-f:.]{2,45}\])(?::\d{1,5})?$/i;
