import type { Readable } from 'node:stream';
import { KeyFinder } from '../keys/key-finder.ts';
import { onChannel } from './channels.ts';
import type { CallContext } from './client.ts';
import type { Dispatchers } from './dispatchers.ts';
import { codeOf } from './error-code.ts';
import { type Gathering, type Headers, Intake } from './intake.ts';
import { askOf, ownTurn, type Pace, type Turn } from './pace.ts';
import { heed } from './retry.ts';
import { callTimeMs, headersOf, leftMs, notMade, queryString, type TransportOptions } from './transport.ts';
import type { Answered, Attempt, AttemptReport, Failed } from './types.ts';

/** A call whose bodies flow through. `rawQuery` (with its `?`) goes out verbatim, `query` is encoded. */
export interface StreamCall {
  operation: string;
  method: string;
  path: string;
  query?: Record<string, string | number | undefined>;
  rawQuery?: string;
  body?: Readable | undefined;
  contentType?: string | undefined;
  contentLength?: number | undefined;
  /** To the last byte of the answer, ms; the setting's otherwise. */
  totalMs?: number;
  /** Asked right before the first byte; false: none goes out. */
  mayStart?: () => boolean;
  /** `taken`: whoever makes the call has waited for its turn already. */
  turn?: Turn | 'taken';
  /** Ends the call: the caller has gone. */
  signal?: AbortSignal;
}

/** The head of an answer; the body must be read or destroyed. */
export interface Opened {
  kind: 'answered';
  status: number;
  headers: Headers;
  body: Readable;
  /** A key stood in a header; that header is gone. */
  heldKey?: true;
}

export interface Streams {
  /** One attempt, never repeated, never throwing. The deadlines cover the answer's body, too. */
  open(context: CallContext, call: StreamCall): Promise<Opened | Failed>;
  /** The same, with the answer read whole: what a send needs. An answer that comes early ends the upload. */
  send(context: CallContext, call: StreamCall): Promise<Attempt>;
}

interface StreamOptions
  extends Pick<TransportOptions, 'key' | 'userAgent' | 'onAttempt' | 'onWrite' | 'onAnswer' | 'intake'> {
  dispatchers: Dispatchers;
  /** To the answer's head, counted from the last byte of the body, ms. */
  headTimeoutMs: number;
  totalTimeoutMs: number;
  pace?: Pace;
}

export function createStreams(options: StreamOptions): Streams {
  const intake = options.intake ?? new Intake(new KeyFinder(() => [options.key()]), () => {});
  const openRaw: Streams['open'] = async (context, call) => {
    const start = performance.now();
    const headers = headersOf(context, options);
    if (call.contentType !== undefined) headers['content-type'] = call.contentType;
    if (call.contentLength !== undefined) headers['content-length'] = String(call.contentLength);
    // For the turn and the head together. A send has its own, which is not its caller's.
    const waitMs = call.turn === 'taken' ? options.headTimeoutMs : headWaitMs(context, options.headTimeoutMs);
    const endMs = start + waitMs;
    if (options.pace && call.turn !== 'taken') {
      const untilMs = endMs - callTimeMs(waitMs);
      const early = await options.pace
        .take({ ...askOf(call.operation, context.turn), untilMs, ...(call.signal && { signal: call.signal }) })
        .catch(notMade);
      if (early) return early;
    }
    const wrote = () => {
      if (call.method !== 'GET') options.onWrite?.(context.connection);
    };
    wrote();
    const late = new AbortController();
    // A body takes its time, and the wait for the answer begins behind it.
    const headMs = call.body ? waitMs : endMs - performance.now();
    const head = headTimer(call.body, headMs, () => late.abort());
    const total = AbortSignal.timeout(call.totalMs ?? options.totalTimeoutMs);
    const signals = [late.signal, total, ...(call.signal ? [call.signal] : [])];
    const signal = AbortSignal.any(signals);
    const dispatcher = call.method === 'GET' ? options.dispatchers.downloads : options.dispatchers.sends;
    const attempt = watched(dispatcher, signal, call.mayStart);
    const report = (rest: Pick<AttemptReport, 'status' | 'failed'>) => {
      const durationMs = performance.now() - start;
      const whole = { operation: call.operation, host: 'gateway' as const, durationMs, sent: attempt.sent(), ...rest };
      options.onAttempt?.(whole);
      context.onAttempt?.(whole);
    };
    try {
      const answer = await attempt.dispatcher.request({
        method: call.method,
        path: `/wati${call.path}${call.rawQuery ?? queryString(onChannel({ ...call, channel: context.channel }).query)}`,
        headers,
        body: call.body ?? null,
        signal,
      });
      report({ status: answer.statusCode });
      // A body that is destroyed unread, or breaks before anyone reads it, emits an error: unheard, it would end the process.
      answer.body.on('error', () => {});
      answer.body.once('close', wrote);
      return { kind: 'answered', status: answer.statusCode, headers: answer.headers, body: answer.body };
    } catch (thrown) {
      const cause = thrown instanceof Error ? thrown : new Error(String(thrown));
      const timedOut = late.signal.aborted || total.aborted;
      report({ failed: timedOut ? 'timeout' : codeOf(cause) });
      return { kind: 'failed', sent: attempt.sent(), timedOut, cause };
    } finally {
      wrote();
      head.stop();
    }
  };

  return {
    open: async (context, call) => {
      const answer = await openRaw(context, call);
      if (answer.kind === 'failed') return answer;
      heed(options.pace, { status: answer.status, headers: answer.headers });
      const { headers, heldKey } = intake.headers(answer.headers, call.operation);
      const body = intake.stream(answer.body, headers, call.operation);
      return { ...answer, headers, body, ...(heldKey && { heldKey }) };
    },
    send: async (context, call) => {
      const answer = await openRaw(context, call);
      if (answer.kind === 'failed') return answer;
      const { status, headers, body } = answer;
      const holder = (context.turn ?? ownTurn).caller;
      const gathering = intake.gather(status, { operation: call.operation, holder, answers: 'act' });
      try {
        await gather(body, gathering);
        const outcome: Answered = { kind: 'answered', status, ...(await gathering.text(headers)) };
        heed(options.pace, outcome);
        options.onAnswer?.(context.connection, outcome);
        return outcome;
      } catch (thrown) {
        gathering.drop();
        heed(options.pace, { status, headers });
        const cause = thrown instanceof Error ? thrown : new Error(String(thrown));
        return { kind: 'failed', sent: true, timedOut: cause.name === 'TimeoutError', status, headers, cause };
      } finally {
        body.destroy();
        call.body?.destroy();
      }
    },
  };
}

/** Whether the request had started says if bytes left; no error code does: ECONNRESET comes before and after. */
function watched(dispatcher: Dispatchers['sends'], signal: AbortSignal, mayStart: () => boolean = () => true) {
  let sent = false;
  return {
    sent: () => sent,
    dispatcher: dispatcher.compose((dispatch) => (request, handler) => {
      const onRequestStart = handler.onRequestStart?.bind(handler);
      handler.onRequestStart = (controller, context) => {
        // Time was up while the request waited for its socket: it must not go out any more.
        if (signal.aborted) return controller.abort(new Error('deadline passed before the request was written'));
        if (!mayStart()) return controller.abort(new Error('this process may not send any more'));
        sent = true;
        onRequestStart?.(controller, context);
      };
      return dispatch(request, handler);
    }),
  };
}

const headWaitMs = ({ untilMs }: CallContext, longestMs: number): number =>
  Math.min(leftMs(untilMs) ?? longestMs, longestMs);

/** Runs from the end of the body, if there is one. */
function headTimer(body: Readable | undefined, ms: number, onLate: () => void) {
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

async function gather(body: Readable, gathering: Gathering): Promise<void> {
  for await (const chunk of body) if (gathering.add(chunk) === 'enough') return;
}
