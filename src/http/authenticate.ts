import type { FastifyRequest } from 'fastify';
import type { Callers, KeyHolder } from '../callers.ts';
import { Problem } from '../problem.ts';
import type { AddressLimit } from './address-limit.ts';
import { bearerOf, credentialFault, holderOf } from './credentials.ts';

/**
 * Whether a path needs a key. Unknown paths are included, so that a 404 without a key reveals nothing. The router decodes `%76`
 * to `v` and skips `http://host`, so this does as well.
 */
export const isGuarded = (url: string): boolean => /^(?:https?:\/\/[^/]*)?\/(v|%[57]6)(1|%31)(\/|\?|$)/i.test(url);

/**
 * Throws a Problem: 401, or 429 if the address has sent too many requests without a valid key. A request with a valid key is
 * never refused because of others.
 */
export function authenticate(request: FastifyRequest, callers: Callers, keyless: AddressLimit): KeyHolder {
  const caller = bearerOf(request.headers.authorization ?? '', callers);
  if (caller) return caller;
  assertKeylessMay(request, keyless);
  throw new Problem('unauthorized', credentialFault(request.headers.authorization, callers), {
    headers: { 'www-authenticate': 'Bearer' },
  });
}

/** Whether the request carries a caller's key: as Bearer, or as the password of Basic, which browsers can ask their user for. */
export function hasKey({ headers }: FastifyRequest, callers: Callers): boolean {
  const { authorization = '' } = headers;
  const basic = /^basic +([A-Za-z0-9+/]{1,400}={0,2})$/i.exec(authorization)?.[1];
  if (basic === undefined) return bearerOf(authorization, callers) !== undefined;
  const pair = Buffer.from(basic, 'base64').toString('latin1');
  const key = pair.slice(pair.indexOf(':') + 1);
  return holderOf(key, callers) !== undefined;
}

/** Throws `rate-limited` if the address has sent too many requests without a valid key. */
export function assertKeylessMay(request: FastifyRequest, keyless: AddressLimit): void {
  const waitMs = keyless.take(request.raw.socket);
  if (waitMs === 0) return;
  const detail = 'your address asks too much without a valid key';
  throw new Problem('rate-limited', detail, { retryAfterS: Math.ceil(waitMs / 1000) });
}

/** The caller of a request. Throws on a route whose config names no `scope`: such a route needs no key. */
export function callerOf(request: FastifyRequest) {
  if (!request.caller) throw new Error(`${request.routeOptions.url} asks for a caller, but names no scope`);
  return request.caller;
}
