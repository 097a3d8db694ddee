import type { IncomingMessage } from 'node:http';

/** A token is 43 characters; more than this is none. */
const tokenLengthMax = 128;

/** The kind of a request line, in place of the address: nothing behind this module can log or trace it. */
const tokens = new WeakMap<IncomingMessage, string>();

/**
 * Removes the token from the request line, and leaves a bare `/`. The authority of an absolute target stays, for the request
 * guard.
 */
export function hideToken(request: IncomingMessage): void {
  const { url = '' } = request;
  const origin = /^https?:\/\/[^/?#]*/i.exec(url)?.[0] ?? '';
  tokens.set(request, tokenIn(url.slice(origin.length)));
  request.url = origin === '' && url[0] !== '/' ? '*' : `${origin}/`;
}

/** The token of a hidden address; empty where it had none, or where it was another path. */
export const hiddenToken = (request: IncomingMessage): string => tokens.get(request) ?? '';

/** `/wati/TOKEN` or `/wati?token=TOKEN`. */
function tokenIn(target: string): string {
  const [path = '', query = ''] = target.split('?', 2);
  const token = path === '/wati' ? inQuery(query) : path.startsWith('/wati/') ? path.slice('/wati/'.length) : '';
  return token.length > tokenLengthMax ? '' : token;
}

/** The token in the address of a webhook at WATI; empty if there is none. */
export function tokenInAddress(address: string): string {
  const url = URL.parse(address);
  if (!url) return '';
  // A proxy in front may take a longer path.
  const segments = url.pathname.split('/');
  return tokenIn(`/${segments.slice(segments.lastIndexOf('wati')).join('/')}${url.search}`);
}

/** The address to enter at WATI, if `publicUrl` leads to the listener. */
export const webhookAddress = (publicUrl: string, token: string): string =>
  `${publicUrl.endsWith('/') ? publicUrl.slice(0, -1) : publicUrl}/wati/${token}`;

const inQuery = (query: string): string => new URLSearchParams(query.slice(0, 1_024)).get('token') ?? '';
