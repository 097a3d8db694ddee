import type { FastifyReply, FastifyRequest } from 'fastify';
import { masked } from '../lib/masked.ts';
import { foreignPatterns } from '../lib/patterns.ts';
import { errorForLog } from './error-chain.ts';
import type { RequestLog } from './types.ts';

/** Only what cannot break the log, a header or a problem body; anything else is replaced. */
const requestIdPattern = /^[A-Za-z0-9._-]{1,64}$/;

const acceptRequestId = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' && requestIdPattern.test(header) ? header : undefined;

/** The id that its caller knows the request by; ours, which the log has in any case, may not be copied from another request. */
export const shownId = (request: FastifyRequest): string =>
  acceptRequestId(request.headers['x-request-id']) ?? request.id;

/** Made when it is first asked for, because a request that the router cannot read meets no hook. */
export function requestLogOf(request: FastifyRequest): RequestLog {
  // Once it is closed, a socket no longer says whose it was.
  request.requestLogStore ??= { upstreamMs: 0, upstreamCalls: 0, remoteAddress: request.raw.socket.remoteAddress };
  return request.requestLogStore;
}

export function logRequest(request: FastifyRequest, reply: FastifyReply): void {
  const trace = requestLogOf(request);
  const status = reply.statusCode;
  const line = {
    method: request.method,
    route: request.routeOptions.url ?? 'none',
    // Marks the line as part of the audit trail.
    audit: auditOf(request),
    caller: request.caller?.name,
    keyId: request.caller?.keyId,
    remoteAddress: trace.remoteAddress,
    callerRequestId: acceptRequestId(request.headers['x-request-id']),
    status,
    outcome: trace.outcome ?? writeOutcome(request, status),
    problem: trace.problem,
    to: trace.to,
    messageId: trace.messageId,
    broadcastId: trace.broadcastId,
    connection: trace.connection,
    durationMs: Math.round(reply.elapsedTime * 10) / 10,
    upstreamStatus: trace.upstreamStatus,
    upstreamMs: trace.upstreamCalls === 0 ? undefined : Math.round(trace.upstreamMs * 10) / 10,
    upstreamCalls: trace.upstreamCalls || undefined,
    upstreamShared: trace.upstreamShared,
    traceId: trace.span?.traceId,
    error: trace.error && errorForLog(trace.error, status >= 500 && trace.problem === 'internal'),
  };
  if (trace.problem === 'internal') request.log.error(line, 'request');
  else if (status >= 500 && trace.problem !== undefined) request.log.warn(line, 'request');
  else request.log.info(line, 'request');
}

/** Only requests with a valid key belong to the audit trail. */
const auditOf = ({ caller, routeOptions: { config } }: FastifyRequest): true | undefined =>
  caller !== undefined && (config.sendsMessage === true || config.audit === true) ? true : undefined;

/** Every write logs an outcome (of a send, the record's); a read has its status. */
function writeOutcome({ method, caller }: FastifyRequest, status: number): string | undefined {
  if (caller === undefined || method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return undefined;
  return status < 400 ? 'done' : status < 500 ? 'refused' : 'failed';
}

/** Masks every number in a text of a caller's own, however its digits are grouped: letters alone end one. */
export const maskedIn = (text: string): string =>
  text.replace(foreignPatterns.callersNumber.pattern, (run) =>
    masked(run.replace(foreignPatterns.notDigit.pattern, '')),
  );
