import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Callers } from '../callers.ts';
import { Problem } from '../problem.ts';
import type { AddressLimit } from './address-limit.ts';
import { assertKeylessMay, authenticate, isGuarded } from './authenticate.ts';
import type { Front } from './front.ts';
import { shownId } from './request-log.ts';
import { findAmbiguity, secureHeaders } from './request-smuggling.ts';
import { sendProblem } from './send-problem.ts';
import { isLeftUnsure } from './unread-body.ts';

/**
 * Fastify's `frameworkErrors`: an address that cannot be decoded, or has a segment beyond `maxParamLength`. No hook runs for
 * such a request and it has no decorators, so this sets headers and writes the log line itself.
 */
export function frameworkErrors(callers: Callers, { keyless, requestLog }: Pick<Front, 'keyless' | 'requestLog'>) {
  return (_error: Error, request: FastifyRequest, reply: FastifyReply): void => {
    reply.header('x-request-id', shownId(request)).headers(secureHeaders);
    if (request.headers.upgrade !== undefined || isLeftUnsure(request.raw)) reply.header('connection', 'close');
    reply.raw.once('finish', () => requestLog.log(request, reply));
    sendProblem(problemFor(request, callers, keyless), request, reply);
  };
}

function problemFor(request: FastifyRequest, callers: Callers, keyless: AddressLimit): Problem {
  const fault = findAmbiguity(request.raw);
  if (fault !== undefined) return new Problem('malformed-request', fault, { headers: { connection: 'close' } });
  try {
    if (isGuarded(request.url)) authenticate(request, callers, keyless);
    else assertKeylessMay(request, keyless);
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  return new Problem('malformed-request', 'the address cannot be decoded, or a segment of it is too long');
}
