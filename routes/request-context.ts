import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Caller, hasScope, mayUse } from '../src/callers.ts';
import type { Config } from '../src/config.ts';
import type { ConnectionPin } from '../src/connections/connection-pin.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { isConnectionName } from '../src/http/listed-check.ts';
import type { StopCheck } from '../src/http/stop-check.ts';
import type { RequestDeadline } from '../src/http/types.ts';
import { lazy } from '../src/lib/memoize.ts';
import { invalid, Problem } from '../src/problem.ts';
import { type CallContext, withDeadline } from '../src/upstream/client.ts';
import type { Connections } from '../src/upstream/connections.ts';
import type { CallerPriority } from '../src/upstream/permits.ts';
import type { CallReport } from '../src/upstream/types.ts';
import { preferences, urgencyOf } from './header-lists.ts';
import { textIn } from './request-text.ts';
import { scheduleOf } from './send-times.ts';

/*
 * What a request says about the work that is done for it: its caller and idempotency key, the connection and company number,
 * its urgency, and how long its client waits.
 */

/** Builds the context of a request's upstream calls. With `reply`, reads are aborted when the client disconnects. */
export type ResolveContext = (request: FastifyRequest, reply?: FastifyReply) => Promise<CallContext & RequestDeadline>;

/** How long the list of connections is trusted to decide which one is the only active one. */
const connectionsTrustedMs = 10_000;

interface ContextServices {
  connections: Connections;
  pin: ConnectionPin;
  stopCheck: StopCheck;
}

export function createContextResolver(
  config: Config,
  { connections, pin, stopCheck }: ContextServices,
): ResolveContext {
  const onlyOne = async (request: FastifyRequest, time: RequestDeadline) => {
    const only = await onlyActiveFor(request, connections, time);
    await (request.routeOptions.config.sendsMessage ? pin.use(only) : pin.compare(only));
    return only;
  };
  return async (request, reply) => {
    const time = deadlineOf(request, config);
    const chosen = chosenFor(request, config.MATON_CONNECTION_ID);
    const connection = chosen ?? (await onlyOne(request, time));
    const stopped = stopCheck(request, connection);
    if (stopped !== undefined) await stopped;
    request.requestLog.connection = connection;
    const context = { ...contextOn(request, connection, time), channel: requestedChannel(request, config) };
    // Listening for a disconnect is expensive, so it is done only if it is needed.
    if (reply) context.callerSignal = lazy(() => abortOnDisconnect(reply));
    return context;
  };
}

/** The company's number that a request names, in its body or its query, else the configured one. The schemas have checked its form. */
export function requestedChannel(
  request: FastifyRequest,
  { WATI_CHANNEL_NUMBER: byDefault }: Pick<Config, 'WATI_CHANNEL_NUMBER'>,
): string | undefined {
  return textIn(request.body, 'channel') ?? textIn(request.query, 'channel') ?? byDefault;
}

/** Returns the reference in the body or the query of a request. */
function referenceOf({ body, query }: FastifyRequest): { reference?: string } {
  const reference = textIn(body, 'reference') ?? textIn(query, 'reference');
  return reference === undefined ? {} : { reference };
}

/** Builds the context of calls over a connection that is known, such as that of a record. */
export const contextOn = (
  request: FastifyRequest,
  connection: string,
  time: RequestDeadline,
): CallContext & RequestDeadline => ({
  ...time,
  connection,
  priority: priorityOf(request),
  onAttempt: recordCalls(request),
});

/** The deadline of a request. It is set by the first call and shared by everything that the request waits for. */
export function deadlineOf(request: FastifyRequest, config: Waits): RequestDeadline {
  request.deadline ??= newDeadline(request, config);
  return request.deadline;
}

type Waits = Pick<Config, 'SEND_WAIT_MS' | 'UPSTREAM_TIMEOUT_MS'>;

function newDeadline(request: FastifyRequest, { SEND_WAIT_MS, UPSTREAM_TIMEOUT_MS }: Waits): RequestDeadline {
  const maxWaitMs = request.routeOptions.config.sendsMessage ? SEND_WAIT_MS : UPSTREAM_TIMEOUT_MS;
  const waitMs = preferredWaitMs(request, maxWaitMs);
  return { deadline: performance.now() + waitMs, ...(waitMs < maxWaitMs && { isExclusive: true }) };
}

/** How long the response still waits for the outcome of its send, ms. `Prefer: respond-async` does not wait: 0. */
export function sendWaitMs(request: FastifyRequest, { deadline }: RequestDeadline): number {
  return isAsync(request) ? 0 : Math.max(1, deadline - performance.now());
}

/** `Prefer: respond-async`. */
export const isAsync = ({ headers: { prefer } }: FastifyRequest): boolean =>
  prefer !== undefined && preferences(String(prefer)).has('respond-async');

/** The response does not wait for the outcome: by preference, or for a broadcast. */
export const isUnattended = (request: FastifyRequest): boolean =>
  request.routeOptions.config.preferWait !== 'outcome' || isAsync(request);

/** The `Requester` of src/delivery: the caller with its quota, its idempotency key, and the reference. The schema has validated them. */
export function requesterOf(request: FastifyRequest) {
  const key = request.headers['idempotency-key'];
  return {
    caller: callerOf(request).id,
    route: `${request.method} ${request.routeOptions.url}`,
    ...(typeof key === 'string' && { key }),
    ...referenceOf(request),
    ...scheduleOf(request),
    ...quotaOf(callerOf(request)),
  };
}

export function quotaOf({ messagesPerHour: perHour, messagesPerDay: perDay }: Caller) {
  if (perHour === undefined && perDay === undefined) return {};
  return { quota: { ...(perHour !== undefined && { perHour }), ...(perDay !== undefined && { perDay }) } };
}

/** Aborts when the client disconnects before the response is complete. */
export function abortOnDisconnect(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  const look = () => {
    if (!reply.raw.writableFinished) gone.abort();
  };
  if (reply.raw.destroyed) look();
  else reply.raw.once('close', look);
  return gone.signal;
}

/** The connection that the caller chose, else the configured one. */
function chosenFor(request: FastifyRequest, configured: string | undefined): string | undefined {
  const caller = callerOf(request);
  const named = request.headers['maton-connection'];
  if (named !== undefined) {
    if (!isConnectionName(named)) {
      const errors = [{ pointer: '/headers/maton-connection', detail: 'must be 1 to 512 printable characters' }];
      throw invalid(errors);
    }
    if (!mayUse(caller, named)) throw new Problem('forbidden', 'your key may not use the connection that you named');
    return named;
  }
  if (configured === undefined || mayUse(caller, configured)) return configured;
  throw new Problem('connection-ambiguous', 'the default connection is not yours; name one with Maton-Connection');
}

/** The only active connection, if none is chosen or configured. */
async function onlyActiveFor(
  request: FastifyRequest,
  connections: Connections,
  { deadline }: RequestDeadline,
): Promise<string> {
  const known = await withDeadline(
    connections.recent(connectionsTrustedMs, { priority: priorityOf(request) }),
    deadline,
  );
  const active = known.filter(({ status }) => status === 'ACTIVE');
  const [only, ...others] = active;
  if (!only) throw new Problem('connection-unusable', 'there is no active WATI connection');
  if (others.length > 0 || !mayUse(callerOf(request), only.id)) {
    throw new Problem('connection-ambiguous', 'name the connection with the header Maton-Connection');
  }
  return only.id;
}

/** `Prefer: wait=N` (RFC 7240, s) shortens the time a client waits, and never extends it. */
function preferredWaitMs(request: FastifyRequest, maxWaitMs: number): number {
  const { prefer } = request.headers;
  if (prefer === undefined) return maxWaitMs;
  const wait = preferences(String(prefer)).get('wait') ?? '';
  return /^\d{1,6}$/.test(wait) ? Math.min(maxWaitMs, Math.max(1, Number(wait) * 1000)) : maxWaitMs;
}

/**
 * The caller's place in the rate limiter. All callers share one queue, fairly by weight; a send with `Priority: u=0` (RFC 9218)
 * goes before them if its caller may use that. The schema of the sending routes has checked the header; other routes ignore it.
 */
export function priorityOf(request: FastifyRequest): CallerPriority {
  const caller = callerOf(request);
  const { id, weight } = caller;
  const { priority } = request.headers;
  const urgent =
    priority !== undefined && request.routeOptions.config.sendsMessage === true && urgencyOf(String(priority)) === '0';
  if (urgent && !hasScope(caller, 'messages:urgent')) {
    throw new Problem(
      'forbidden',
      'your key lacks the scope messages:urgent, which `Priority: u=0` needs; nothing was sent',
    );
  }
  return { caller: id, lane: urgent ? 'urgent' : 'interactive', ...(weight !== undefined && { weight }) };
}

/**
 * Records upstream calls in the request's log line and span. A read or change that takes several calls is charged as many of
 * its caller's `ratePerSecond`. Failed calls that were repeated are not charged, nor are those of a send.
 */
export function recordCalls(request: FastifyRequest): (report: CallReport) => void {
  let answered = 0;
  return (report) => {
    const { status, durationMs, isShared } = report;
    if (!isShared && status !== undefined && status < 500 && status !== 429) answered += 1;
    if (!isShared && answered > 1 && !request.routeOptions.config.sendsMessage) request.charge?.();
    request.requestLog.span?.recordCall(report);
    if (isShared) request.requestLog.upstreamShared = true;
    request.requestLog.upstreamCalls += 1;
    request.requestLog.upstreamMs += durationMs;
    if (status !== undefined) request.requestLog.upstreamStatus = status;
  };
}
