import fp from 'fastify-plugin';
import { isAllowedFrom } from '../src/callers/addresses.ts';
import { type Callers, hasScope } from '../src/callers.ts';
import type { AddressLimit } from '../src/http/address-limit.ts';
import { assertKeylessMay, authenticate, isGuarded } from '../src/http/authenticate.ts';
import { takeOrRefuse } from '../src/pools/refusal.ts';
import type { SharedPool } from '../src/pools/shared-pool.ts';
import { Problem } from '../src/problem.ts';
import { createCallerLimiter } from '../src/rate-limit/caller-limiter.ts';
import type { CallerTokenStore } from '../src/store/coordination-store.ts';

interface AuthOptions {
  callers: Callers;
  /** Requests under way, by caller. */
  requests: SharedPool;
  /** Requests without a valid key, limited by address. */
  keyless: AddressLimit;
  /** Where replicas share what their callers may do; one process alone counts by itself. */
  callerTokens?: CallerTokenStore;
}

/**
 * Authenticates and authorizes: before the body is read, and before a 404 or 405 reveals what exists.
 * Everything under /v1 needs a key; elsewhere a route that names a scope does.
 */
export const auth = fp(
  async (app, { callers, requests, keyless, callerTokens }: AuthOptions) => {
    const limit = createCallerLimiter(callerTokens);
    app.decorateRequest('caller', undefined);
    app.decorateRequest('leave', undefined);
    app.decorateRequest('charge', undefined);
    app.decorateRequest('deadline', undefined);
    app.addHook('onRequest', (request, _reply, done) => {
      const { scope, isProbe } = request.routeOptions.config;
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
      if (!isProbe) assertKeylessMay(request, keyless);
      done();
    });
  },
  { name: 'auth', dependencies: ['access-log', 'problems'] },
);
