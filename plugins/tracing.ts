import fp from 'fastify-plugin';
import type { Tracing } from '../src/tracing/types.ts';

/** One span a request. Registered where tracing is on: otherwise a request pays nothing for it. */
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
