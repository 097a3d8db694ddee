import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { foreignPatterns } from '../src/patterns.ts';
import type { Trace } from './types.ts';

/** Only what cannot break the log, a header or a problem body; anything else is replaced (contract 5). */
const requestIdPattern = /^[A-Za-z0-9._-]{1,64}$/;

export const takeRequestId = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' && requestIdPattern.test(header) ? header : undefined;

/** Made when it is first asked for, because a request that the router cannot read meets no hook. */
export function traceOf(request: FastifyRequest): Trace {
  request.ownTrace ??= { upstreamMs: 0, upstreamCalls: 0 };
  return request.ownTrace;
}

/** One log line a request: the route's pattern, never the address, because numbers stand in addresses. */
export const accessLog = fp(async (app) => {
  app.decorateRequest('ownTrace', undefined);
  // A getter, because a request that dies before its hooks run has a trace, too.
  app.decorateRequest('trace', {
    getter() {
      return traceOf(this);
    },
  });

  // Hooks of the hot path call back: a promise for each would be made and awaited on every request.
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    done();
  });
});

export function logRequest(request: FastifyRequest, reply: FastifyReply): void {
  const trace = traceOf(request);
  const status = reply.statusCode;
  const line = {
    method: request.method,
    route: request.routeOptions.url ?? 'none',
    caller: request.caller?.name,
    status,
    outcome: trace.outcome ?? writeOutcome(request, status),
    problem: trace.problem,
    to: trace.to,
    durationMs: Math.round(reply.elapsedTime * 10) / 10,
    upstreamStatus: trace.upstreamStatus,
    upstreamMs: trace.upstreamCalls === 0 ? undefined : Math.round(trace.upstreamMs * 10) / 10,
    upstreamCalls: trace.upstreamCalls || undefined,
    upstreamShared: trace.upstreamShared,
    traceId: trace.span?.traceId,
    error: trace.error && errorForLog(trace.error, status >= 500 && trace.problem === 'internal'),
  };
  if (trace.problem === 'internal') request.log.error(line, 'request');
  else request.log.info(line, 'request');
}

/** Every write says how it went (the outcome of a send is told by its record); a read has its status. */
function writeOutcome({ method, caller }: FastifyRequest, status: number): string | undefined {
  if (caller === undefined || method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return undefined;
  return status < 400 ? 'done' : status < 500 ? 'refused' : 'failed';
}

/** The stack only where the fault is ours: the message of a foreign error may quote an address. */
function errorForLog(error: Error, ours: boolean) {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return ours ? { name: error.name, code, message: error.message, stack: error.stack } : { name: error.name, code };
}

/** `14155551234` -> `***1234`: enough to find a complaint, too little to write to somebody. */
export const masked = (recipient: string): string => `***${recipient.slice(-4)}`;

/** The same of every number in a text of a caller's own, however its digits are grouped: letters alone end one. */
export const maskedIn = (text: string): string =>
  text.replace(foreignPatterns.callersNumber.pattern, (run) =>
    masked(run.replace(foreignPatterns.notDigit.pattern, '')),
  );
