import type { FastifyReply, FastifyRequest } from 'fastify';
import { masked } from '../lib/masked.ts';
import { foreignPatterns } from '../lib/patterns.ts';
import { errorForLog } from './error-chain.ts';
import type { RequestLog } from './types.ts';

/** Characters that cannot break the log, a header or a problem body. An id with any other is replaced. */
const requestIdPattern = /^[A-Za-z0-9._-]{1,64}$/;

const acceptRequestId = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' && requestIdPattern.test(header) ? header : undefined;

/** The request id that the response shows: the client's own if it sent one. The log also has our id, which another client cannot copy. */
export const shownId = (request: FastifyRequest): string =>
  acceptRequestId(request.headers['x-request-id']) ?? request.id;

/** Created on first use, because no hook runs for a request that the router cannot parse. */
export function requestLogOf(request: FastifyRequest): RequestLog {
  // Read now: a closed socket has no remote address any more.
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
    reference: trace.reference,
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

/** Only requests with a valid key are part of the audit trail. */
const auditOf = ({ caller, routeOptions: { config } }: FastifyRequest): true | undefined =>
  caller !== undefined && (config.sendsMessage === true || config.audit === true) ? true : undefined;

/**
 * Sets the outcome for the log: for a send the status of its record, for other writes `done`, `refused` or `failed`. Reads have
 * an HTTP status only.
 */
function writeOutcome({ method, caller }: FastifyRequest, status: number): string | undefined {
  if (caller === undefined || method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return undefined;
  return status < 400 ? 'done' : status < 500 ? 'refused' : 'failed';
}

/** Adds the masked recipient and the reference of a send to the log line. */
export function logSend(request: FastifyRequest, { to, reference }: { to?: string; reference?: string }): void {
  const { requestLog } = request;
  if (to !== undefined) requestLog.to = masked(to);
  if (reference !== undefined) requestLog.reference = referenceForLog(reference, to);
}

/** Returns a reference for the log. Its digits are masked if it contains the number of the recipient. */
export function referenceForLog(reference: string, to: string | undefined): string {
  const digitsIn = (text: string) => text.replace(foreignPatterns.notDigit.pattern, '');
  const number = digitsIn(to ?? '');
  return number !== '' && digitsIn(reference).includes(number) ? maskedIn(reference) : reference;
}

/** Masks every number in text that a caller chose, however its digits are grouped. Only a letter ends a number. */
export const maskedIn = (text: string): string =>
  text.replace(foreignPatterns.callersNumber.pattern, (run) =>
    masked(run.replace(foreignPatterns.notDigit.pattern, '')),
  );
