import type { onRequestHookHandler } from 'fastify';
import fp from 'fastify-plugin';

/**
 * Sets `Cache-Control` on every GET and HEAD under /v1. Customers' data and records change at any time, so they are not cached
 * unless the route says otherwise. Call before the routes are registered.
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
