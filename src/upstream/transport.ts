import type { Dispatcher } from 'undici';
import type { Dispatchers } from './dispatchers.ts';
import { askOf, heed, type Pace, type Turn } from './pace.ts';
import { createRetryBudget, mayHeal, retryAfterMs } from './retry.ts';
import { pauseStacks } from './stack-pause.ts';

/**
 * One call upstream, as data. `operation` names it in logs and metrics. `query` is encoded here; absent values are
 * left out. A call has a JSON body or none; streams go through streams.ts.
 */
export interface Call {
  operation: string;
  host: 'gateway' | 'control';
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  query?: Record<string, string | number | undefined>;
  json?: unknown;
  connection?: string;
  /** A send can put a message before a person: it gets a fresh connection (delivery.md 1.3) and is never repeated here. */
  sends?: boolean;
  /** Asked right before the first byte; false: none goes out. */
  mayStart?: () => boolean;
  /** Whose turn the call takes; `taken`: whoever makes it has waited for it already. */
  turn?: Turn | 'taken';
  /** Of a read: the same for its first try alone. */
  hasTurn?: boolean;
  /** Aborts when nobody waits for the answer any more; the call then gives its place in the queue up. */
  gone?: () => AbortSignal;
}

/** An HTTP answer arrived whole. */
export interface Answered {
  kind: 'answered';
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  text: string;
}

/**
 * No whole answer. `sent` is false only where it is proved that no byte of the request left (delivery.md 2.3);
 * `status` is there when the status line came before the answer broke.
 */
export interface Failed {
  kind: 'failed';
  sent: boolean;
  timedOut: boolean;
  status?: number;
  headers?: Answered['headers'];
  cause: Error;
}

export type Attempt = Answered | Failed;

/** What one attempt tells logs and metrics. */
export interface AttemptReport {
  operation: string;
  host: Call['host'];
  status?: number;
  failed?: string;
  sent: boolean;
  durationMs: number;
  /** It was made for another reader of the same. */
  shared?: true;
}

export interface TransportOptions {
  key: () => string;
  dispatchers: Dispatchers;
  /** Total deadline of one call, retries included, ms. */
  timeoutMs: number;
  userAgent: string;
  /** Absent: there is no limit. */
  pace?: Pace;
  /** Bytes of an answer that are taken; more is a failure. */
  answerMaxBytes?: number;
  onAttempt?: (report: AttemptReport) => void;
  /** Called when anything but a GET begins, and when it has ended. */
  onWrite?: (connection: string | undefined) => void;
}

export interface Transport {
  /** One attempt, never repeated, never throwing. `deadlineMs` is what is left of the caller's time. */
  attempt(call: Call, deadlineMs?: number, onAttempt?: (report: AttemptReport) => void): Promise<Attempt>;
  /** A read: repeated at most twice on what may heal (delivery.md 2.4, last row). Never throws. */
  read(call: Call, deadlineMs?: number, onAttempt?: (report: AttemptReport) => void): Promise<Attempt>;
}

/** 24 MB is what real clients allow themselves for a page of history (upstream.md 1.6); ours are a tenth of that. */
const answerMaxBytesDefault = 4 * 1024 * 1024;

export function createTransport(options: TransportOptions): Transport {
  const { dispatchers, timeoutMs, pace } = options;
  const retryBudget = createRetryBudget();

  const once: Transport['attempt'] = (call, deadlineMs = timeoutMs, onAttempt) =>
    new Promise((resolve) => {
      const start = performance.now();
      const onWrite = call.method === 'GET' ? undefined : options.onWrite;
      onWrite?.(call.connection);
      const handler = new AnswerHandler(
        options.answerMaxBytes ?? answerMaxBytesDefault,
        call.mayStart ?? always,
        (outcome) => {
          clearTimeout(timer);
          onWrite?.(call.connection);
          heed(pace, outcome);
          const report = reportOf(call, outcome, performance.now() - start);
          options.onAttempt?.(report);
          onAttempt?.(report);
          resolve(outcome);
        },
        call.sends ? pauseStacks : undefined,
      );
      // The only deadline that a dripping or 102-ing upstream cannot stretch (delivery.md 2.3).
      const timer = setTimeout(() => handler.expire(), Math.max(1, Math.min(deadlineMs, timeoutMs)));
      const dispatcher =
        call.host === 'control' ? dispatchers.control : call.sends ? dispatchers.sends : dispatchers.reads;
      try {
        dispatcher.dispatch(toRequest(call, options), handler);
      } catch (error) {
        handler.onResponseError(undefined, error instanceof Error ? error : new Error(String(error)));
      }
    });

  const attempt: Transport['attempt'] = async (call, deadlineMs = timeoutMs, onAttempt) => {
    if (!pace || call.turn === 'taken') return once(call, deadlineMs, onAttempt);
    const leftMs = Math.min(deadlineMs, timeoutMs);
    const endMs = performance.now() + leftMs;
    const untilMs = endMs - callTimeMs(leftMs);
    const signal = call.gone?.();
    try {
      await pace.take({ ...askOf(call.operation, call.turn), untilMs, ...(signal && { signal }) });
    } catch (thrown) {
      return notMade(thrown);
    }
    return once(call, endMs - performance.now(), onAttempt);
  };

  const read: Transport['read'] = async (call, deadlineMs = timeoutMs, onAttempt) => {
    const end = performance.now() + Math.min(deadlineMs, timeoutMs);
    retryBudget.earn();
    for (let tries = 1; ; tries++) {
      const left = end - performance.now();
      const outcome = await (tries === 1 && call.hasTurn ? once : attempt)(call, left, onAttempt);
      if (tries > 2 || !mayHeal(outcome) || (pace && call.gone?.().aborted)) return outcome;
      const waitMs = retryAfterMs(outcome) ?? 200 + Math.random() * 600 * tries;
      if (performance.now() + waitMs >= end || !retryBudget.spend()) return outcome;
      await new Promise((resume) => setTimeout(resume, waitMs));
    }
  };

  return { attempt, read };
}

/**
 * What is kept of a deadline for the call itself: one whose turn comes with the last of its time would only be cut off, at the
 * cost of a call that another could have made.
 */
export const callTimeMs = (deadlineMs: number): number => Math.min(5_000, deadlineMs / 2);

/** What is left until then (performance.now()), ms; undefined: the service's own time counts. */
export const leftMs = (untilMs: number | undefined): number | undefined =>
  untilMs === undefined ? undefined : Math.max(1, untilMs - performance.now());

/** A call whose turn did not come. */
export function notMade(thrown: unknown): Failed {
  const cause = thrown instanceof Error ? thrown : new Error(String(thrown));
  return { kind: 'failed', sent: false, timedOut: false, cause };
}

/** Headers are built from nothing: the gateway passes on whatever it does not know (upstream.md 1.2). */
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

function toRequest(call: Call, options: TransportOptions): Dispatcher.DispatchOptions {
  const headers = headersOf(call, options);
  if (call.json !== undefined) headers['content-type'] = 'application/json';
  return {
    method: call.method,
    path: `${call.host === 'gateway' ? '/wati' : ''}${call.path}${queryString(call.query)}`,
    headers,
    body: call.json === undefined ? null : JSON.stringify(call.json),
  };
}

/** RFC 3986 percent-encoding, brackets included; WATI wants `attribute` encoded that way (upstream.md 3.1). */
export function queryString(query: Call['query'] = {}): string {
  let text = '';
  for (const name in query) {
    const value = query[name];
    if (value !== undefined) text += `${text === '' ? '?' : '&'}${name}=${encodeURIComponent(value)}`;
  }
  return text;
}

const always = () => true;

/** Gathers one answer. `sent` turns true the moment undici begins to write the request to a socket. */
class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #bytesMax: number;
  readonly #mayStart: () => boolean;
  readonly #settle: (outcome: Attempt) => void;
  readonly #beforeReset: (() => void) | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #sent = false;
  #settled = false;
  #status: number | undefined;
  #headers: Answered['headers'] = {};
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** `beforeReset`: called where undici is about to close the connection that it had for this answer alone. */
  constructor(
    bytesMax: number,
    mayStart: () => boolean,
    settle: (outcome: Attempt) => void,
    beforeReset: (() => void) | undefined,
  ) {
    this.#mayStart = mayStart;
    this.#bytesMax = bytesMax;
    this.#settle = settle;
    this.#beforeReset = beforeReset;
  }

  onRequestStart(controller: Dispatcher.DispatchController) {
    // Time was up while the request waited for its socket: it must not go out any more.
    if (this.#settled) return controller.abort(new Error('deadline passed before the request was written'));
    if (!this.#mayStart()) return controller.abort(new Error('this process may not send any more'));
    this.#controller = controller;
    this.#sent = true;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Answered['headers']) {
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer) {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bytesMax) controller.abort(new Error(`the answer is over ${this.#bytesMax} bytes`));
    else this.#chunks.push(chunk);
  }

  onResponseEnd() {
    const body = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks, this.#bytes);
    this.#end({
      kind: 'answered',
      status: this.#status ?? 0,
      headers: this.#headers,
      text: body === undefined ? '' : body.toString('utf8'),
    });
    this.#beforeReset?.();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, cause: Error) {
    this.#fail(cause, /TIMEOUT/.test(codeOf(cause)) && this.#sent);
  }

  expire() {
    this.#fail(new Error('the total deadline of the call passed'), true);
    this.#controller?.abort(new Error('deadline'));
  }

  #fail(cause: Error, timedOut: boolean) {
    const status = this.#status;
    const head = status !== undefined && { status, headers: this.#headers };
    this.#end({ kind: 'failed', sent: this.#sent, timedOut, cause, ...head });
  }

  #end(outcome: Attempt) {
    if (this.#settled) return;
    this.#settled = true;
    this.#settle(outcome);
  }
}

export const codeOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : error.name;

function reportOf({ operation, host }: Call, outcome: Attempt, durationMs: number): AttemptReport {
  const status = outcome.status;
  return {
    operation,
    host,
    durationMs,
    sent: outcome.kind === 'answered' || outcome.sent,
    ...(status !== undefined && { status }),
    ...(outcome.kind === 'failed' && { failed: outcome.timedOut ? 'timeout' : codeOf(outcome.cause) }),
  };
}
