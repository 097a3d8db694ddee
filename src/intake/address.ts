import type { IncomingMessage } from 'node:http';

/** A token has 43 characters. Longer text is not looked up. */
const tokenLengthMax = 128;

/** What replaces the address in a request line. No code after this module sees the token, so none can log it. */
const tokens = new WeakMap<IncomingMessage, string>();

/**
 * Replaces the address in the request line, which contains the token, by `/`. Keeps the authority of an absolute target, which
 * plugins/request-validation.ts checks.
 */
export function hideToken(request: IncomingMessage): void {
  const { url = '' } = request;
  const origin = /^https?:\/\/[^/?#]*/i.exec(url)?.[0] ?? '';
  tokens.set(request, tokenIn(url.slice(origin.length)));
  request.url = origin === '' && url[0] !== '/' ? '*' : `${origin}/`;
}

/** The token of a request whose address was hidden; empty if the address had none, or was another path. */
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
  // A proxy in front may add a prefix to the path.
  const segments = url.pathname.split('/');
  return tokenIn(`/${segments.slice(segments.lastIndexOf('wati')).join('/')}${url.search}`);
}

/** The address to enter at WATI, if `publicUrl` is set. */
export const webhookAddress = (publicUrl: string, token: string): string =>
  `${publicUrl.endsWith('/') ? publicUrl.slice(0, -1) : publicUrl}/wati/${token}`;

const inQuery = (query: string): string => new URLSearchParams(query.slice(0, 1_024)).get('token') ?? '';
