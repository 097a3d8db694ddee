import type { CallReport } from '../upstream/types.ts';

/** One request as its trace tells it: route patterns, names and fixed words, never an address, a number or a text. */
export interface RequestSpan {
  readonly traceId: string;
  /** A call upstream was made for it. One that was made for several requests is a part of the first, and linked to the others. */
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
  /** Called for every call upstream, before the requests that it was made for hear of it: what is for none is a trace of its own. */
  recordUnattributed(report: CallReport): void;
  /** Exports what is left, in the time that it has. Never throws. */
  close(): Promise<void>;
}

export interface TracingOptions {
  sampler: SamplerName;
  ratio: number;
  version: string;
  onFault: (error: unknown) => void;
}

export const samplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export type SamplerName = (typeof samplers)[number];
