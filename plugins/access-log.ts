import fp from 'fastify-plugin';
import { requestLogOf, shownId } from '../src/http/request-log.ts';

/** One log line a request: the route's pattern, never the address, because numbers stand in addresses. */
export const accessLog = fp(
  async (app) => {
    app.decorateRequest('requestLogStore', undefined);
    // A getter, because a request that dies before its hooks run has a trace, too.
    app.decorateRequest('requestLog', {
      getter() {
        return requestLogOf(this);
      },
    });

    // Hooks of the hot path call back: a promise for each would be made and awaited on every request.
    app.addHook('onRequest', (request, reply, done) => {
      requestLogOf(request);
      reply.header('x-request-id', shownId(request));
      done();
    });
  },
  { name: 'access-log' },
);
