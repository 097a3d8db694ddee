import type { Readable } from 'node:stream';
import { KeyFinder } from '../keys/key-finder.ts';
import { toError } from '../lib/to-error.ts';
import type { RateLimiter } from '../rate-limit/types.ts';
import { headersOf, queryString } from './call-options.ts';
import { withChannel } from './channel-parameter.ts';
import type { CallContext } from './client.ts';
import type { Dispatchers } from './dispatchers.ts';
import { codeOf } from './error-code.ts';
import { permitRequestOf, remainingMs, reservedForCallMs, systemPriority } from './permits.ts';
import { reportTooManyRequests } from './retry.ts';
import { notDispatched, type TransportOptions } from './transport.ts';
import type { CallReport, HttpFailure, HttpResponse, HttpResult } from './types.ts';
import { type BodyCollector, type Headers, UntrustedBodyReader } from './untrusted-body.ts';
import { refusalBeforeFirstByte } from './withheld-error.ts';

/** A call whose request and response bodies are streamed. `rawQuery` (with its `?`) is sent verbatim, `query` is encoded. */
export interface StreamCall {
  operation: string;
  method: string;
  path: string;
  query?: Record<string, string | number | undefined>;
  rawQuery?: string;
  body?: Readable | undefined;
  contentType?: string | undefined;
  contentLength?: number | undefined;
  /** Time-out up to the last byte of the answer, ms; by default that of the settings. */
  totalMs?: number;
  /** Called right before the first byte; if it returns false, nothing is sent. */
  canSend?: () => boolean;
  /** A permit was acquired already. */
  hasPermit?: boolean;
  /** Aborts the call when the client disconnects. */
  signal?: AbortSignal;
}

/** The head of an answer. The body must be read or destroyed. */
export interface StreamingResponse {
  kind: 'answered';
  status: number;
  headers: Headers;
  body: Readable;
  /** A response header contained a key, and was removed. */
  containedKey?: true;
}

export interface Streams {
  /** Makes one attempt; it is never repeated and never throws. The deadlines include the answer's body. */
  open(context: CallContext, call: StreamCall): Promise<StreamingResponse | HttpFailure>;
  /** The same with the whole answer read, as a send needs it. An answer that arrives early ends the upload. */
  send(context: CallContext, call: StreamCall): Promise<HttpResult>;
}

interface StreamOptions
  extends Pick<TransportOptions, 'key' | 'userAgent' | 'onAttempt' | 'onWrite' | 'onAnswer' | 'bodyReader'> {
  dispatchers: Dispatchers;
  /** Time-out of the answer's head, counted from the last byte of the request body, ms. */
  headersTimeoutMs: number;
  totalTimeoutMs: number;
  rateLimiter?: RateLimiter;
}

export function createStreams(options: StreamOptions): Streams {
  const bodyReader = options.bodyReader ?? new UntrustedBodyReader(new KeyFinder(() => [options.key()]), () => {});
  return {
    open: async (context, call) => {
      const answer = await openRaw(options, context, call);
      if (answer.kind === 'failed') return answer;
      reportTooManyRequests(options.rateLimiter, { status: answer.status, headers: answer.headers });
      const { headers, containedKey } = bodyReader.withoutKeys(answer.headers, call.operation);
      const body = bodyReader.scanStream(answer.body, headers, call.operation);
      return { ...answer, headers, body, ...(containedKey && { containedKey }) };
    },
    send: async (context, call) => {
      const answer = await openRaw(options, context, call);
      if (answer.kind === 'failed') return answer;
      const { status, headers, body } = answer;
      const holder = (context.priority ?? systemPriority).caller;
      const gathering = bodyReader.collect(status, { operation: call.operation, holder, bodyClass: 'act' });
      try {
        await gather(body, gathering);
        const outcome: HttpResponse = { kind: 'answered', status, ...(await gathering.text(headers)) };
        reportTooManyRequests(options.rateLimiter, outcome);
        options.onAnswer?.(context.connection, outcome);
        return outcome;
      } catch (thrown) {
        gathering.drop();
        reportTooManyRequests(options.rateLimiter, { status, headers });
        const cause = toError(thrown);
        return { kind: 'failed', bytesSent: true, timedOut: cause.name === 'TimeoutError', status, headers, cause };
      } finally {
        body.destroy();
        call.body?.destroy();
      }
    },
  };
}

/** Resolves with the failure if no permit is granted in time. */
async function acquirePermit(
  { rateLimiter }: StreamOptions,
  { operation, signal, hasPermit }: StreamCall,
  permit: { priority: CallContext['priority']; deadline: number },
): Promise<HttpFailure | undefined> {
  if (!rateLimiter || hasPermit) return undefined;
  const request = permitRequestOf(operation, permit.priority);
  const refused = await rateLimiter
    .acquire({ ...request, deadline: permit.deadline, ...(signal && { signal }) })
    .catch(notDispatched);
  return refused || undefined;
}

function streamHeaders(options: StreamOptions, context: CallContext, { contentType, contentLength }: StreamCall) {
  const headers = headersOf(context, options);
  if (contentType !== undefined) headers['content-type'] = contentType;
  if (contentLength !== undefined) headers['content-length'] = String(contentLength);
  return headers;
}

function createReport(options: StreamOptions, context: CallContext, { operation }: StreamCall) {
  const start = performance.now();
  return (rest: Pick<CallReport, 'status' | 'errorCode' | 'bytesSent'>) => {
    const whole = { operation, host: 'gateway' as const, durationMs: performance.now() - start, ...rest };
    options.onAttempt?.(whole, context.connection);
    context.onAttempt?.(whole);
  };
}

async function openRaw(
  options: StreamOptions,
  context: CallContext,
  call: StreamCall,
): Promise<StreamingResponse | HttpFailure> {
  const report = createReport(options, context, call);
  const start = performance.now();
  const headers = streamHeaders(options, context, call);
  // Covers the permit and the headers. A send has a deadline of its own instead of its caller's.
  const waitMs = call.hasPermit ? options.headersTimeoutMs : headWaitMs(context, options.headersTimeoutMs);
  const deadline = start + waitMs;
  const permit = { priority: context.priority, deadline: deadline - reservedForCallMs(waitMs) };
  const refused = await acquirePermit(options, call, permit);
  if (refused) return refused;
  const wrote = () => {
    if (call.method !== 'GET') options.onWrite?.(context.connection);
  };
  wrote();
  const late = new AbortController();
  // An upload may take long, so the time-out of the answer starts after its last byte.
  const headMs = call.body ? waitMs : deadline - performance.now();
  const head = startHeadersTimeout(call.body, headMs, () => late.abort());
  const total = AbortSignal.timeout(call.totalMs ?? options.totalTimeoutMs);
  const signals = [late.signal, total, ...(call.signal ? [call.signal] : [])];
  const signal = AbortSignal.any(signals);
  const dispatcher = call.method === 'GET' ? options.dispatchers.downloads : options.dispatchers.sends;
  const attempt = trackSent(dispatcher, signal, call.canSend);
  try {
    const answer = await attempt.dispatcher.request({
      method: call.method,
      path: `/wati${call.path}${call.rawQuery ?? queryString(withChannel({ ...call, channel: context.channel }).query)}`,
      headers,
      body: call.body ?? null,
      signal,
    });
    report({ status: answer.statusCode, bytesSent: attempt.sent() });
    // A body that is destroyed unread, or breaks before it is read, emits an error. Without a listener that would end the
    // process.
    answer.body.on('error', () => {});
    answer.body.once('close', wrote);
    return { kind: 'answered', status: answer.statusCode, headers: answer.headers, body: answer.body };
  } catch (thrown) {
    const cause = toError(thrown);
    const timedOut = late.signal.aborted || total.aborted;
    report({ errorCode: timedOut ? 'timeout' : codeOf(cause), bytesSent: attempt.sent() });
    return { kind: 'failed', bytesSent: attempt.sent(), timedOut, cause };
  } finally {
    wrote();
    head.stop();
  }
}

/** Whether bytes were sent follows from whether the request had started. Error codes do not show it: ECONNRESET occurs before and after. */
function trackSent(dispatcher: Dispatchers['sends'], signal: AbortSignal, canSend: () => boolean = () => true) {
  let sent = false;
  return {
    sent: () => sent,
    dispatcher: dispatcher.compose((dispatch) => (request, handler) => {
      const onRequestStart = handler.onRequestStart?.bind(handler);
      handler.onRequestStart = (controller, context) => {
        const refusal = refusalBeforeFirstByte(signal.aborted, canSend);
        if (refusal) return controller.abort(refusal);
        sent = true;
        onRequestStart?.(controller, context);
      };
      return dispatch(request, handler);
    }),
  };
}

const headWaitMs = ({ deadline }: CallContext, timeoutMs: number): number =>
  Math.min(remainingMs(deadline) ?? timeoutMs, timeoutMs);

/** Starts at the end of the request body, if there is one. */
function startHeadersTimeout(body: Readable | undefined, ms: number, onLate: () => void) {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const begin = () => {
    if (!stopped) timer = setTimeout(onLate, ms);
  };
  if (body) body.once('end', begin);
  else begin();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

async function gather(body: Readable, gathering: BodyCollector): Promise<void> {
  for await (const chunk of body) if (gathering.add(chunk) === 'enough') return;
}
