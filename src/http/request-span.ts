import type { FastifyReply, FastifyRequest } from 'fastify';

/** A hook of plugins/request-completed.ts. */
export function endRequestSpan(request: FastifyRequest, reply: FastifyReply): void {
  const { span, outcome } = request.requestLog;
  span?.end({ status: reply.statusCode, caller: request.caller?.name, outcome });
}
