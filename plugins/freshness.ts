import type { FastifyInstance, onRequestHookHandler } from 'fastify';

/**
 * Every GET, and HEAD, under /v1 says how long its answer may be kept: customers' data and records are live, so not at all, unless the
 * route says otherwise. Call before the routes are registered.
 */
export function watchFreshness(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    const reads =
      [route.method].flat().some((method) => method === 'GET' || method === 'HEAD') && route.url.startsWith('/v1/');
    const keeps = route.config?.keeps;
    if (!reads || keeps === 'aged') return;
    const say: onRequestHookHandler = (_request, reply, done) => {
      reply.header('cache-control', keeps ?? 'no-store');
      done();
    };
    route.onRequest = [route.onRequest ?? [], say].flat();
  });
}
