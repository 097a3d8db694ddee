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
  /** Requests in progress, by caller. */
  requests: SharedPool;
  /** Requests without a valid key, limited by address. */
  keyless: AddressLimit;
  /** Present if replicas share the limits of callers; a single process counts by itself. */
  callerTokens?: CallerTokenStore;
}

/**
 * Authenticates and authorizes requests, before the body is read and before a 404 or 405 reveals which paths exist. Everything
 * under /v1 needs a key; other routes do if they name a scope.
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
        // A 403 and not a 401, because the key is valid. The log line names the caller whose key came from another address.
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
      // Probes come from any address, and are always answered.
      if (!isProbe) assertKeylessMay(request, keyless);
      done();
    });
  },
  { name: 'auth', dependencies: ['access-log', 'problems'] },
);
