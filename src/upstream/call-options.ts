import type { Dispatcher } from 'undici';
import { withChannel } from './channel-parameter.ts';
import type { Call } from './types.ts';

/** How this service names itself to Maton. */
interface Identity {
  key: () => string;
  userAgent: string;
}

/** Builds headers from scratch, because the gateway forwards every header that it does not know to WATI. */
export function headersOf(call: Pick<Call, 'connection'>, { key, userAgent }: Identity) {
  const headers: Record<string, string> = {
    authorization: `Bearer ${key()}`,
    accept: 'application/json',
    'user-agent': userAgent,
  };
  if (call.connection !== undefined) headers['maton-connection'] = call.connection;
  return headers;
}

export function toDispatchOptions(bare: Call, options: Identity): Dispatcher.DispatchOptions {
  const call = withChannel(bare);
  const headers = headersOf(call, options);
  if (call.json !== undefined) headers['content-type'] = 'application/json';
  return {
    method: call.method,
    path: `${call.host === 'gateway' ? '/wati' : ''}${call.path}${queryString(call.query)}`,
    headers,
    body: call.json === undefined ? null : JSON.stringify(call.json),
  };
}

/** RFC 3986 percent-encoding, brackets included; WATI takes a JSON array as `attribute`. */
export function queryString(query: Call['query'] = {}): string {
  let text = '';
  for (const name in query) {
    const value = query[name];
    if (value !== undefined) text += `${text === '' ? '?' : '&'}${name}=${encodeURIComponent(value)}`;
  }
  return text;
}
