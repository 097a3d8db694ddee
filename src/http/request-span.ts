import type { FastifyReply, FastifyRequest } from 'fastify';

/** For onRequestEnd. */
export function endRequestSpan(request: FastifyRequest, reply: FastifyReply): void {
  const { span, outcome } = request.requestLog;
  span?.end({ status: reply.statusCode, caller: request.caller?.name, outcome });
}
