import type { FastifyRequest } from 'fastify';
import type { Callers, KeyHolder } from '../callers.ts';
import { Problem } from '../problem.ts';
import type { AddressLimit } from './address-limit.ts';
import { bearerOf, credentialFault, holderOf } from './credentials.ts';

/** Includes unknown paths, so that a 404 reveals nothing without a key. The router reads `%76` as a `v`, and passes over `http://host`. */
export const isGuarded = (url: string): boolean => /^(?:https?:\/\/[^/]*)?\/(v|%[57]6)(1|%31)(\/|\?|$)/i.test(url);

/** Throws a Problem: 401, or 429 where the address has failed too often. A valid key is never refused for what others did. */
export function authenticate(request: FastifyRequest, callers: Callers, keyless: AddressLimit): KeyHolder {
  const caller = bearerOf(request.headers.authorization ?? '', callers);
  if (caller) return caller;
  assertKeylessMay(request, keyless);
  throw new Problem('unauthorized', credentialFault(request.headers.authorization, callers), {
    headers: { 'www-authenticate': 'Bearer' },
  });
}

/** Whether it carries a caller's key: as Bearer, or as the password of Basic, which is what a browser can ask for. */
export function hasKey({ headers }: FastifyRequest, callers: Callers): boolean {
  const { authorization = '' } = headers;
  const basic = /^basic +([A-Za-z0-9+/]{1,400}={0,2})$/i.exec(authorization)?.[1];
  if (basic === undefined) return bearerOf(authorization, callers) !== undefined;
  const pair = Buffer.from(basic, 'base64').toString('latin1');
  const key = pair.slice(pair.indexOf(':') + 1);
  return holderOf(key, callers) !== undefined;
}

/** Throws `rate-limited` where the address has asked too much. */
export function assertKeylessMay(request: FastifyRequest, keyless: AddressLimit): void {
  const waitMs = keyless.take(request.raw.socket);
  if (waitMs === 0) return;
  const detail = 'your address asks too much without a valid key';
  throw new Problem('rate-limited', detail, { retryAfterS: Math.ceil(waitMs / 1000) });
}

/** The caller of a route that needs a key; a route without one has no business asking. */
export function callerOf(request: FastifyRequest) {
  if (!request.caller) throw new Error(`${request.routeOptions.url} asks for a caller, but names no scope`);
  return request.caller;
}
