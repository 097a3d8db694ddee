import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { isAllowedFrom } from '../src/callers/addresses.ts';
import { type Callers, hasScope, type KeyHolder } from '../src/callers.ts';
import { takeOrRefuse } from '../src/pools/refusal.ts';
import type { SharedPool } from '../src/pools/shared-pool.ts';
import { Problem } from '../src/problem.ts';
import { createCallerLimiter, type TokenStore } from '../src/rate-limit/caller-limiter.ts';
import type { AddressLimit } from './address-limit.ts';
import { bearerOf, credentialFault, holderOf } from './credentials.ts';

interface AuthOptions {
  callers: Callers;
  /** Requests under way, by caller. */
  requests: SharedPool;
  /** What one address may ask without a key. */
  keyless: AddressLimit;
  /** Where replicas share what their callers may do; one process alone counts by itself. */
  permits?: TokenStore;
}

/**
 * Who calls, and whether they may: before the body is read, and before a 404 or 405 tells what exists.
 * Everything under /v1 needs a key; elsewhere a route that names a scope does.
 */
export const auth = fp(async (app, { callers, requests, keyless, permits }: AuthOptions) => {
  const limit = createCallerLimiter(permits);
  app.decorateRequest('caller', undefined);
  app.decorateRequest('leave', undefined);
  app.decorateRequest('charge', undefined);
  app.addHook('onRequest', (request, _reply, done) => {
    const { scope, probe } = request.routeOptions.config;
    if (scope !== undefined || isGuarded(request.url)) {
      const caller = authenticate(request, callers, keyless);
      request.caller = caller;
      // A 403, not a 401: the key is valid, and the log line names the caller whose key came from another address.
      if (!isAllowedFrom(caller.addresses, request.socket.remoteAddress)) {
        throw new Problem('forbidden', 'your key is not taken from this address');
      }
      request.leave = takeOrRefuse(requests, caller.id);
      if (scope !== undefined && !hasScope(caller, scope)) {
        throw new Problem('forbidden', `your key lacks the scope ${scope}`);
      }
      const { id, ratePerSecond } = caller;
      if (ratePerSecond !== undefined) request.charge = () => limit.charge(id, ratePerSecond);
      limit(id, ratePerSecond, done);
      return;
    }
    // Probes come from everywhere, and are answered whatever else is going on.
    if (!probe) assertKeylessMay(request, keyless);
    done();
  });
});

/** Unknown paths included, so that a 404 tells nothing to somebody without a key. The router reads `%76` as a `v`, and passes over `http://host`. */
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
