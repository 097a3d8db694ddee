import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Callers } from '../src/callers.ts';
import { Problem } from '../src/problem.ts';
import { logRequest, shownId } from './access-log.ts';
import { authenticate, isGuarded } from './auth.ts';
import { sendProblem } from './problems.ts';
import { faultOf, secureHeaders } from './request-guard.ts';

/**
 * Fastify's `frameworkErrors`: an address that cannot be decoded, or with a segment beyond `maxParamLength`. Such a request
 * meets no hook and has no decorators, so what every request gets is done here by hand.
 */
export function refuseUnroutable(callers: Callers) {
  return (_error: Error, request: FastifyRequest, reply: FastifyReply): void => {
    reply.header('x-request-id', shownId(request)).headers(secureHeaders);
    reply.raw.once('finish', () => logRequest(request, reply));
    sendProblem(problemFor(request, callers), request, reply);
  };
}

function problemFor(request: FastifyRequest, callers: Callers): Problem {
  const fault = faultOf(request.raw);
  if (fault !== undefined) return new Problem('malformed-request', fault, { headers: { connection: 'close' } });
  try {
    if (isGuarded(request.url)) authenticate(request, callers);
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  return new Problem('malformed-request', 'the address cannot be decoded, or a segment of it is too long');
}
