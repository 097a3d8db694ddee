import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { isAllowedFrom } from '../src/callers/addresses.ts';
import { type Callers, hasScope, type KeyHolder } from '../src/callers.ts';
import { Problem } from '../src/problem.ts';
import { createCallerLimit, type PermitSource } from './caller-limit.ts';

interface AuthOptions {
  callers: Callers;
  /** Where replicas share what their callers may do; one process alone counts by itself. */
  permits?: PermitSource;
}

/**
 * Who calls, and whether they may (contract 3): before the body is read, and before a 404 or 405 tells what exists.
 * Everything under /v1 needs a key; elsewhere a route that names a scope does.
 */
export const auth = fp(async (app, { callers, permits }: AuthOptions) => {
  const limit = createCallerLimit(permits);
  app.decorateRequest('caller', undefined);
  app.addHook('onRequest', (request, _reply, done) => {
    const { scope } = request.routeOptions.config;
    if (scope !== undefined || isGuarded(request.url)) {
      const caller = authenticate(request, callers);
      request.caller = caller;
      // Not a 401: whoever runs the caller has to see what is wrong, and the log line to name whose key came from elsewhere.
      if (!isAllowedFrom(caller.addresses, request.socket.remoteAddress)) {
        throw new Problem('forbidden', 'your key is not taken from this address');
      }
      if (scope !== undefined && !hasScope(caller, scope)) {
        throw new Problem('forbidden', `your key lacks the scope ${scope}`);
      }
      limit(caller.id, caller.ratePerSecond, done);
      return;
    }
    done();
  });
});

/** Unknown paths included, so that a 404 tells nothing to somebody without a key. The router reads `%76` as a `v`, and passes over `http://host`. */
export const isGuarded = (url: string): boolean => /^(?:https?:\/\/[^/]*)?\/(v|%[57]6)(1|%31)(\/|\?|$)/i.test(url);

export function authenticate(request: FastifyRequest, callers: Callers): KeyHolder {
  // 20 to 255 printable characters (contract 8.18); the scheme is matched without case (RFC 9110, 11.1).
  const key = /^bearer +([!-~]{20,255})$/i.exec(request.headers.authorization ?? '')?.[1];
  const caller = key === undefined ? undefined : callers.find(key);
  if (caller) return caller;
  throw new Problem('unauthorized', 'a valid key is needed: Authorization: Bearer <key>', {
    headers: { 'www-authenticate': 'Bearer' },
  });
}

/** The caller of a route that needs a key; a route without one has no business asking. */
export function callerOf(request: FastifyRequest) {
  if (!request.caller) throw new Error(`${request.routeOptions.url} asks for a caller, but names no scope`);
  return request.caller;
}
