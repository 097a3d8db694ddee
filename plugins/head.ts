import { Readable } from 'node:stream';
import fp from 'fastify-plugin';

/**
 * Adds HEAD to every GET route. The response has the same checks, limits, upstream calls and headers as GET, without the body
 * (RFC 9110, 9.3.2); a stream is ended unread. Register before every other plugin with an onRoute hook, so that those see both
 * routes.
 */
export const headRoutes = fp(
  async (app) => {
    app.addHook('onRoute', function (route) {
      if (route.method !== 'GET') return;
      this.route({ ...route, method: 'HEAD', schema: { ...route.schema, hide: true } });
    });
    app.addHook('onSend', (...[request, , payload, done]) => {
      if (request.method !== 'HEAD' || !(payload instanceof Readable)) return done();
      payload.destroy();
      done(null, null);
    });
  },
  { name: 'head' },
);
