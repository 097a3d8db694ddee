import fp from 'fastify-plugin';
import { mayUse } from '../src/callers.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { isConnectionName, type ListedCheck } from '../src/http/listed-check.ts';

/**
 * Checks the connection of every sending request that names one, before its body is read. A malformed or forbidden name is left
 * to the route, which has a better error for it.
 */
export const refuseUnlisted = fp(
  async (app, { check }: { check: ListedCheck }) => {
    app.addHook('onRequest', (request, _reply, done) => {
      const { sendsMessage, connection } = request.routeOptions.config;
      const named = request.headers['maton-connection'];
      if (!sendsMessage || !connection || !isConnectionName(named) || !mayUse(callerOf(request), named)) return done();
      const asked = check(request, named);
      if (!asked) return done();
      asked.then(() => done(), done);
    });
  },
  { name: 'listed-connection', dependencies: ['auth'] },
);
