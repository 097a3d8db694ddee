import fp from 'fastify-plugin';
import type { Tracing } from '../src/tracing/types.ts';

/** One span per request. Registered only if tracing is configured, so that it costs nothing otherwise. */
export const traceRequests = fp<{ tracing: Tracing }>(
  async (app, { tracing }) => {
    app.addHook('onRequest', (request, _reply, done) => {
      const { traceparent } = request.headers;
      request.requestLog.span = tracing.startRequestSpan({
        method: request.method,
        route: request.routeOptions.url,
        traceparent: typeof traceparent === 'string' ? traceparent : undefined,
      });
      done();
    });
  },
  { name: 'tracing', dependencies: ['access-log'] },
);
