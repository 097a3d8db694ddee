import type { CallReport } from '../upstream/types.ts';

/** The span of one request. It holds route patterns, names and fixed words, never an address, a number or a text. */
export interface RequestSpan {
  readonly traceId: string;
  /** Adds a call upstream that was made for it. A call for several requests is a child of the first, and linked to the others. */
  recordCall(report: CallReport): void;
  end(answer: { status: number; caller?: string | undefined; outcome?: string | undefined }): void;
}

export interface Tracing {
  /** `traceparent` (W3C) continues the trace of the caller. */
  startRequestSpan(request: {
    method: string;
    route: string | undefined;
    traceparent: string | undefined;
  }): RequestSpan;
  /** Takes every call upstream, before `recordCall` of its requests. A call for no request is a trace of its own. */
  recordUnattributed(report: CallReport): void;
  /** Exports the remaining spans, for a bounded time. Never throws. */
  close(): Promise<void>;
}
