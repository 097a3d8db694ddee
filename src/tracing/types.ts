import type { CallReport } from '../upstream/types.ts';

/** The span of one request. It contains route patterns, names and fixed words; no addresses, numbers or texts. */
export interface RequestSpan {
  readonly traceId: string;
  /** Adds an upstream call of this request. A call for several requests is a child of the first one, and linked to the others. */
  recordCall(report: CallReport): void;
  end(answer: { status: number; caller?: string | undefined; outcome?: string | undefined }): void;
}

export interface Tracing {
  /** `traceparent` (W3C) continues the caller's trace. */
  startRequestSpan(request: {
    method: string;
    route: string | undefined;
    traceparent: string | undefined;
  }): RequestSpan;
  /** Records an upstream call, before `recordCall` of its requests. A call without a request is a trace of its own. */
  recordUnattributed(report: CallReport): void;
  /** Exports the remaining spans, for a bounded time. Never throws. */
  close(): Promise<void>;
}
