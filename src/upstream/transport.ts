import type { Dispatcher } from 'undici';
import { KeyFinder } from '../keys/key-finder.ts';
import { toError } from '../lib/to-error.ts';
import type { RateLimiter } from '../rate-limit/types.ts';
import { defaultRetryDelays } from '../settings/retry-delays.ts';
import { BodyRejectedError } from './body-rejected-error.ts';
import { withChannel } from './channel-parameter.ts';
import type { Dispatchers } from './dispatchers.ts';
import { codeOf } from './error-code.ts';
import { permitRequestOf, systemPriority } from './permits.ts';
import { type CollectedResponse, ResponseCollector } from './response-collector.ts';
import { createRetryBudget, isRetryable, reportTooManyRequests, retryAfterMs } from './retry.ts';
import { suppressStackTraces } from './suppress-stack-traces.ts';
import type { Call, CallReport, HttpFailure, HttpResponse, HttpResult } from './types.ts';
import { type BodyClass, UntrustedBodyReader } from './untrusted-body.ts';

export interface TransportOptions {
  key: () => string;
  dispatchers: Dispatchers;
  /** Deadline of one call including retries, ms. */
  timeoutMs: number;
  userAgent: string;
  /** Absent: there is no rate limit. */
  rateLimiter?: RateLimiter;
  /** Converts bytes to text; by default with limits of its own. */
  bodyReader?: UntrustedBodyReader;
  onAttempt?: (report: CallReport, connection?: string) => void;
  /** See `RetryDelays`. */
  readRetryMs?: number;
  /** Called when a call other than a GET begins, and when it has ended. */
  onWrite?: (connection: string | undefined) => void;
  /** Called with each answer of the gateway. */
  onAnswer?: (connection: string, answer: HttpResponse) => void;
}

export interface Transport {
  /** Makes one attempt; it is never repeated and never throws. `timeoutMs` is the time that the caller has left. */
  execute(call: Call, timeoutMs?: number, onAttempt?: (report: CallReport) => void): Promise<HttpResult>;
  /** Makes a read, which is safe to repeat: at most two retries after failures that may be temporary. Never throws. */
  read(call: Call, timeoutMs?: number, onAttempt?: (report: CallReport) => void): Promise<HttpResult>;
}

export function createTransport(options: TransportOptions): Transport {
  const { dispatchers, rateLimiter, readRetryMs = defaultRetryDelays.readRetryMs } = options;
  const retryBudget = createRetryBudget();
  const bodyReader = options.bodyReader ?? new UntrustedBodyReader(new KeyFinder(() => [options.key()]), () => {});

  const executeNow: Transport['execute'] = (call, timeoutMs = options.timeoutMs, onAttempt) =>
    new Promise((resolve) => {
      const start = performance.now();
      const onWrite = call.method === 'GET' ? undefined : options.onWrite;
      onWrite?.(call.connection);
      const handler = new ResponseCollector({
        openBody: (status) => bodyReader.collect(status, sourceOf(call)),
        canSend: call.canSend ?? always,
        settle: (outcome) => {
          clearTimeout(timer);
          onWrite?.(call.connection);
          const report = reportOf(call, outcome, performance.now() - start);
          options.onAttempt?.(report, call.connection);
          onAttempt?.(report);
          const whole = 'body' in outcome ? toHttpResponse(outcome) : outcome;
          // The body shows whether a 429 means a rate limit or an exhausted quota.
          resolve(outcome.status === 429 ? reportRateLimit(options, whole) : reportAnswer(options, call, whole));
        },
        beforeReset: call.sends ? suppressStackTraces : undefined,
      });
      // The only deadline that an upstream cannot extend by sending slowly, or with repeated 102 responses.
      const timer = setTimeout(() => handler.onDeadline(), Math.max(1, Math.min(timeoutMs, options.timeoutMs)));
      const dispatcher =
        call.host === 'control' ? dispatchers.control : call.sends ? dispatchers.sends : dispatchers.reads;
      try {
        // Refuses a read before the call if there is no capacity for its answer. An aborted answer would have cost a call and a
        // TCP connection.
        if (!bodyReader.hasCapacityFor(sourceOf(call))) throw new BodyRejectedError('ANSWERS_FULL');
        dispatcher.dispatch(toDispatchOptions(call, options), handler);
      } catch (error) {
        handler.onResponseError(undefined, toError(error));
      }
    });

  const execute: Transport['execute'] = async (call, timeoutMs = options.timeoutMs, onAttempt) => {
    if (!rateLimiter || call.hasPermit) return executeNow(call, timeoutMs, onAttempt);
    const callTimeoutMs = Math.min(timeoutMs, options.timeoutMs);
    const deadline = performance.now() + callTimeoutMs;
    const permitDeadline = deadline - reservedForCallMs(callTimeoutMs);
    const signal = call.callerSignal?.();
    try {
      await rateLimiter.acquire({
        ...permitRequestOf(call.operation, call.priority),
        deadline: permitDeadline,
        ...(signal && { signal }),
      });
    } catch (thrown) {
      return notDispatched(thrown);
    }
    return executeNow(call, deadline - performance.now(), onAttempt);
  };

  const read: Transport['read'] = async (call, timeoutMs = options.timeoutMs, onAttempt) => {
    const deadline = performance.now() + Math.min(timeoutMs, options.timeoutMs);
    retryBudget.earn();
    for (let tries = 1; ; tries++) {
      const left = deadline - performance.now();
      const outcome = await execute({ ...call, hasPermit: tries === 1 && call.hasPermit === true }, left, onAttempt);
      if (tries > 2 || !isRetryable(outcome) || (rateLimiter && call.callerSignal?.().aborted)) return outcome;
      const waitMs = retryAfterMs(outcome) ?? readRetryMs * (1 + 3 * Math.random() * tries);
      if (performance.now() + waitMs >= deadline || !retryBudget.spend()) return outcome;
      await new Promise((resume) => setTimeout(resume, waitMs));
    }
  };

  return { execute, read };
}

async function reportRateLimit({ rateLimiter }: TransportOptions, answer: HttpResult | Promise<HttpResult>) {
  const whole = await answer;
  reportTooManyRequests(rateLimiter, whole);
  return whole;
}

async function reportAnswer(
  { onAnswer }: TransportOptions,
  { host, connection }: Call,
  answer: HttpResult | Promise<HttpResult>,
) {
  const whole = await answer;
  if (whole.kind === 'answered' && host === 'gateway' && connection !== undefined) onAnswer?.(connection, whole);
  return whole;
}

/**
 * The part of the deadline that is reserved for the call itself. A call whose permit is granted at the very end would only be
 * aborted, and its permit wasted.
 */
export const reservedForCallMs = (timeoutMs: number): number => Math.min(5_000, timeoutMs / 2);

/** Time left until the deadline (performance.now()), ms; undefined: the service's own time-out applies. */
export const remainingMs = (deadline: number | undefined): number | undefined =>
  deadline === undefined ? undefined : Math.max(1, deadline - performance.now());

/** The result of a call that got no permit. */
export function notDispatched(thrown: unknown): HttpFailure {
  const cause = toError(thrown);
  return { kind: 'failed', bytesSent: false, timedOut: false, cause };
}

/** Which pool the response body is charged to. */
function sourceOf({ operation, priority, sends, method }: Call): {
  operation: string;
  holder: string;
  bodyClass: BodyClass;
} {
  const holder = (priority ?? systemPriority).caller;
  return { operation, holder, bodyClass: sends || method !== 'GET' ? 'act' : 'list' };
}

const toHttpResponse = async ({ status, headers, body: gathering }: CollectedResponse): Promise<HttpResponse> => ({
  kind: 'answered',
  status,
  ...(gathering ? await gathering.text(headers) : { text: '', headers }),
});

/** Builds headers from scratch, because the gateway forwards every header that it does not know to WATI. */
export function headersOf(
  call: Pick<Call, 'connection'>,
  { key, userAgent }: Pick<TransportOptions, 'key' | 'userAgent'>,
) {
  const headers: Record<string, string> = {
    authorization: `Bearer ${key()}`,
    accept: 'application/json',
    'user-agent': userAgent,
  };
  if (call.connection !== undefined) headers['maton-connection'] = call.connection;
  return headers;
}

function toDispatchOptions(bare: Call, options: TransportOptions): Dispatcher.DispatchOptions {
  const call = withChannel(bare);
  const headers = headersOf(call, options);
  if (call.json !== undefined) headers['content-type'] = 'application/json';
  return {
    method: call.method,
    path: `${call.host === 'gateway' ? '/wati' : ''}${call.path}${queryString(call.query)}`,
    headers,
    body: call.json === undefined ? null : JSON.stringify(call.json),
  };
}

/** RFC 3986 percent-encoding, brackets included; WATI takes a JSON array as `attribute`. */
export function queryString(query: Call['query'] = {}): string {
  let text = '';
  for (const name in query) {
    const value = query[name];
    if (value !== undefined) text += `${text === '' ? '?' : '&'}${name}=${encodeURIComponent(value)}`;
  }
  return text;
}

const always = () => true;

function reportOf({ operation, host }: Call, outcome: CollectedResponse | HttpFailure, durationMs: number): CallReport {
  const status = outcome.status;
  return {
    operation,
    host,
    durationMs,
    bytesSent: outcome.kind === 'answered' || outcome.bytesSent,
    ...(status !== undefined && { status }),
    ...(outcome.kind === 'failed' && { errorCode: outcome.timedOut ? 'timeout' : codeOf(outcome.cause) }),
  };
}
