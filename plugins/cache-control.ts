import type { onRequestHookHandler } from 'fastify';
import fp from 'fastify-plugin';

/**
 * Every GET, and HEAD, under /v1 says how long its answer may be kept: customers' data and records are live, so not at all, unless the
 * route says otherwise. Call before the routes are registered.
 */
export const cacheControl = fp(
  async (app) => {
    app.addHook('onRoute', (route) => {
      const reads =
        [route.method].flat().some((method) => method === 'GET' || method === 'HEAD') && route.url.startsWith('/v1/');
      const keeps = route.config?.cacheControl;
      if (!reads || keeps === 'aged') return;
      const say: onRequestHookHandler = (_request, reply, done) => {
        reply.header('cache-control', keeps ?? 'no-store');
        done();
      };
      route.onRequest = [route.onRequest ?? [], say].flat();
    });
  },
  { name: 'cache-control' },
);
