import fp from 'fastify-plugin';
import { requestLogOf, shownId } from '../src/http/request-log.ts';

/** One log line per request. It has the pattern of the route and not the address, which may contain phone numbers. */
export const accessLog = fp(
  async (app) => {
    app.decorateRequest('requestLogStore', undefined);
    // A getter, because a request that ends before its hooks run is logged as well.
    app.decorateRequest('requestLog', {
      getter() {
        return requestLogOf(this);
      },
    });

    // Hooks that run on every request take a callback: an async hook would cost each request a promise.
    app.addHook('onRequest', (request, reply, done) => {
      requestLogOf(request);
      reply.header('x-request-id', shownId(request));
      done();
    });
  },
  { name: 'access-log' },
);
