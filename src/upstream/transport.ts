import type { Dispatcher } from 'undici';
import { KeyFinder } from '../keys/key-finder.ts';
import { toError } from '../lib/to-error.ts';
import type { RateLimiter } from '../rate-limit/types.ts';
import { defaultRetryDelays } from '../settings/retry-delays.ts';
import { BodyRejectedError } from './body-rejected-error.ts';
import { toDispatchOptions } from './call-options.ts';
import type { Dispatchers } from './dispatchers.ts';
import { codeOf } from './error-code.ts';
import { permitRequestOf, reservedForCallMs, systemPriority } from './permits.ts';
import { createRetryBudget, isRetryable, reportTooManyRequests, retryAfterMs } from './retry.ts';
import { suppressStackTraces } from './suppress-stack-traces.ts';
import type { Call, CallReport, HttpFailure, HttpResponse, HttpResult } from './types.ts';
import { type BodyClass, type BodyCollector, type Headers, UntrustedBodyReader } from './untrusted-body.ts';
import { refusalBeforeFirstByte } from './withheld-error.ts';

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
        canSend: call.canSend ?? (() => true),
        settle: (outcome) => {
          clearTimeout(timer);
          onWrite?.(call.connection);
          const report = reportOf(call, outcome, performance.now() - start);
          options.onAttempt?.(report, call.connection);
          onAttempt?.(report);
          resolve(wholeAnswer(options, call, outcome));
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

/** One function without an await that is not needed, because every promise delays the answer to a send. */
async function wholeAnswer(
  { rateLimiter, onAnswer }: TransportOptions,
  { host, connection }: Call,
  outcome: CollectedResponse | HttpFailure,
): Promise<HttpResult> {
  let whole: HttpResult;
  if (outcome.kind === 'failed') whole = outcome;
  else {
    const { status, headers, body } = outcome;
    const gathered = body?.text(headers) ?? { text: '', headers };
    whole = { kind: 'answered', status, ...(gathered instanceof Promise ? await gathered : gathered) };
  }
  // The body shows whether a 429 means a rate limit or an exhausted quota.
  if (outcome.status === 429) reportTooManyRequests(rateLimiter, whole);
  else if (whole.kind === 'answered' && host === 'gateway' && connection !== undefined) onAnswer?.(connection, whole);
  return whole;
}

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

/** An answer whose bytes have all arrived. */
interface CollectedResponse {
  kind: 'answered';
  status: number;
  headers: Headers;
  body: BodyCollector | undefined;
}

interface CollectorOptions {
  openBody: (status: number) => BodyCollector;
  canSend: () => boolean;
  settle: (outcome: CollectedResponse | HttpFailure) => void;
  /** Called when undici is about to close the connection that it opened for this answer alone. */
  beforeReset: (() => void) | undefined;
}

/** Collects one answer. A failure before `onRequestStart`, which undici calls right before the first byte, proves that nothing was sent. */
class ResponseCollector implements Dispatcher.DispatchHandler {
  readonly #options: CollectorOptions;
  #controller: Dispatcher.DispatchController | undefined;
  #bytesSent = false;
  #settled = false;
  #status: number | undefined;
  #headers: Headers = {};
  #body: BodyCollector | undefined;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  onRequestStart(controller: Dispatcher.DispatchController) {
    const refusal = refusalBeforeFirstByte(this.#settled, this.#options.canSend);
    if (refusal) return controller.abort(refusal);
    this.#controller = controller;
    this.#bytesSent = true;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Headers) {
    this.#status = status;
    this.#headers = headers;
    this.#body = this.#options.openBody(status);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer) {
    if (this.#settled) return;
    try {
      if (this.#body?.add(chunk) !== 'enough') return;
      this.#complete();
      controller.abort(new Error('the answer says no more that counts'));
    } catch (thrown) {
      controller.abort(toError(thrown));
    }
  }

  onResponseEnd() {
    this.#complete();
    this.#options.beforeReset?.();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, cause: Error) {
    this.#fail(cause, /TIMEOUT/.test(codeOf(cause)) && this.#bytesSent);
  }

  onDeadline() {
    this.#fail(new Error('the total deadline of the call passed'), true);
    this.#controller?.abort(new Error('deadline'));
  }

  #complete() {
    if (this.#settled) return;
    this.#settled = true;
    this.#options.settle({ kind: 'answered', status: this.#status ?? 0, headers: this.#headers, body: this.#body });
  }

  #fail(cause: Error, timedOut: boolean) {
    if (this.#settled) return;
    this.#settled = true;
    this.#body?.drop();
    const status = this.#status;
    const head = status !== undefined && { status, headers: this.#headers };
    this.#options.settle({ kind: 'failed', bytesSent: this.#bytesSent, timedOut, cause, ...head });
  }
}
