import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Tracing } from '../src/tracing/types.ts';

/** One span a request. Registered where tracing is on: otherwise a request pays nothing for it. */
export function traceRequests(app: FastifyInstance, tracing: Tracing): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { traceparent } = request.headers;
    request.trace.span = tracing.startRequestSpan({
      method: request.method,
      route: request.routeOptions.url,
      traceparent: typeof traceparent === 'string' ? traceparent : undefined,
    });
    done();
  });
}

/** For onRequestEnd. */
export function endSpan(request: FastifyRequest, reply: FastifyReply): void {
  const { span, outcome } = request.trace;
  span?.end({ status: reply.statusCode, caller: request.caller?.name, outcome });
}
