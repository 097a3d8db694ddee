import type { Readable } from 'node:stream';
import type { CallContext } from './client.ts';
import type { Dispatchers } from './dispatchers.ts';
import { type AttemptReport, codeOf, type Failed, headersOf, queryString, type TransportOptions } from './transport.ts';

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
  /** Ends the call: the caller has gone. */
  signal?: AbortSignal;
}

/** The head of an answer; the body must be read or destroyed. */
export interface Opened {
  kind: 'answered';
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Readable;
}

export interface Streams {
  /** One attempt, never repeated, never throwing. The deadline covers the answer's body, too. */
  open(context: CallContext, call: StreamCall): Promise<Opened | Failed>;
}

interface StreamOptions extends Pick<TransportOptions, 'key' | 'userAgent' | 'onAttempt'> {
  dispatchers: Dispatchers;
  /** To the answer's head, ms. */
  headTimeoutMs: number;
  /** To the last byte of the answer, ms. */
  totalTimeoutMs: number;
}

export function createStreams(options: StreamOptions): Streams {
  return {
    open: async (context, call) => {
      const start = performance.now();
      const headers = headersOf(context, options);
      if (call.contentType !== undefined) headers['content-type'] = call.contentType;
      if (call.contentLength !== undefined) headers['content-length'] = String(call.contentLength);
      const expired = new AbortController();
      const timer = setTimeout(() => expired.abort(), options.headTimeoutMs);
      const total = AbortSignal.timeout(options.totalTimeoutMs);
      const signals = [expired.signal, total, ...(call.signal ? [call.signal] : [])];
      const dispatcher = call.method === 'GET' ? options.dispatchers.reads : options.dispatchers.sends;
      // The phase, not the error code, says whether bytes left (delivery.md 1.2).
      let sent = false;
      const watched = dispatcher.compose((dispatch) => (request, handler) => {
        const onRequestStart = handler.onRequestStart?.bind(handler);
        handler.onRequestStart = (controller, ctx) => {
          sent = true;
          onRequestStart?.(controller, ctx);
        };
        return dispatch(request, handler);
      });
      const report = (rest: Pick<AttemptReport, 'status' | 'failed'>) => {
        const whole = { operation: call.operation, durationMs: performance.now() - start, sent, ...rest };
        options.onAttempt?.(whole);
        context.onAttempt?.(whole);
      };
      try {
        const answer = await watched.request({
          method: call.method,
          path: `/wati${call.path}${call.rawQuery ?? queryString(call.query)}`,
          headers,
          body: call.body ?? null,
          signal: AbortSignal.any(signals),
        });
        report({ status: answer.statusCode });
        // A body that is destroyed unread, or broken before anyone reads it, emits an error: unheard, it would end the process.
        answer.body.on('error', () => {});
        return { kind: 'answered', status: answer.statusCode, headers: answer.headers, body: answer.body };
      } catch (thrown) {
        const cause = thrown instanceof Error ? thrown : new Error(String(thrown));
        const timedOut = expired.signal.aborted || total.aborted;
        report({ failed: timedOut ? 'timeout' : codeOf(cause) });
        return { kind: 'failed', sent, timedOut, cause };
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
