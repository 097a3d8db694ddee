import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  trace,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { withTimeout } from '../lib/with-timeout.ts';
import type { CallReport } from '../upstream/types.ts';
import type { Tracing } from './types.ts';

/** How long the shutdown waits for the collector at most. */
const closeMs = 2_000;

/** The values of OTEL_TRACES_SAMPLER. */
export const samplers = new Map<string, (ratio: number) => Sampler>([
  ['always_on', () => new AlwaysOnSampler()],
  ['always_off', () => new AlwaysOffSampler()],
  ['traceidratio', (ratio) => new TraceIdRatioBasedSampler(ratio)],
  ['parentbased_always_on', () => new ParentBasedSampler({ root: new AlwaysOnSampler() })],
  ['parentbased_always_off', () => new ParentBasedSampler({ root: new AlwaysOffSampler() })],
  ['parentbased_traceidratio', (ratio) => new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) })],
]);

/** Passes only `traceparent` to the propagator: `tracestate` is text of the caller's, and would be exported. */
const traceparentOnly: TextMapGetter<string | undefined> = {
  keys: () => ['traceparent'],
  get: (traceparent, name) => (name === 'traceparent' ? traceparent : undefined),
};

interface TracingOptions {
  sampler: Sampler;
  version: string;
  onFault: (error: unknown) => void;
}

/** Loaded by openTracing alone. Sets nothing global, so it changes no library, and nothing is sent to the upstream. */
export function createTracing({ sampler, version, onFault }: TracingOptions): Tracing {
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'wati-bff', 'service.version': version }))
      .merge(detectResources({ detectors: [envDetector] })),
    sampler,
    spanProcessors: [new BatchSpanProcessor({ exporter: withErrorReporting(new OTLPTraceExporter(), onFault) })],
  });
  const propagator = new W3CTraceContextPropagator();
  const tracer = provider.getTracer('wati-bff', version);
  /** Each call has one span, however many requests share it. */
  const spanByReport = new WeakMap<CallReport, SpanContext>();

  const addCallSpan = (report: CallReport, parent: Context) => {
    const { operation, host, status, errorCode, bytesSent, durationMs } = report;
    const endTime = performance.timeOrigin + performance.now();
    const attributes: Attributes = {
      'wati_bff.operation': operation,
      'wati_bff.host': host,
      'wati_bff.sent': bytesSent,
      'wati_bff.result': errorCode ?? String(status),
    };
    if (status !== undefined) attributes['http.response.status_code'] = status;
    const error = errorCode ?? (status !== undefined && status >= 400 ? String(status) : undefined);
    if (error !== undefined) attributes['error.type'] = error;
    const span = tracer.startSpan(
      operation,
      { kind: SpanKind.CLIENT, startTime: endTime - durationMs, attributes },
      parent,
    );
    if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(endTime);
    spanByReport.set(report, span.spanContext());
  };

  return {
    startRequestSpan: ({ method, route, traceparent }) => {
      const attributes: Attributes = { 'http.request.method': method };
      if (route !== undefined) attributes['http.route'] = route;
      const name = route === undefined ? method : `${method} ${route}`;
      const parent = propagator.extract(ROOT_CONTEXT, traceparent, traceparentOnly);
      const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
      const own = trace.setSpan(ROOT_CONTEXT, span);
      return {
        traceId: span.spanContext().traceId,
        recordCall: (report) => {
          const made = spanByReport.get(report);
          if (made) span.addLink({ context: made });
          else if (report.isShared) span.setAttribute('wati_bff.shared', true);
          else addCallSpan(report, own);
        },
        end: ({ status, caller, outcome }) => {
          span.setAttribute('http.response.status_code', status);
          if (caller !== undefined) span.setAttribute('wati_bff.caller', caller);
          if (outcome !== undefined) span.setAttribute('wati_bff.outcome', outcome);
          if (status >= 500) {
            span.setAttribute('error.type', String(status));
            span.setStatus({ code: SpanStatusCode.ERROR });
          }
          span.end();
        },
      };
    },
    recordUnattributed: (report) =>
      queueMicrotask(() => {
        if (!spanByReport.has(report)) addCallSpan(report, ROOT_CONTEXT);
      }),
    close: async () => {
      await withTimeout(provider.shutdown().catch(onFault), closeMs, () => {});
    },
  };
}

/** Logs failed exports, which the exporter itself does not report. */
function withErrorReporting(exporter: OTLPTraceExporter, onFault: (error: unknown) => void): OTLPTraceExporter {
  const send = exporter.export.bind(exporter);
  exporter.export = (spans, done) =>
    send(spans, (result) => {
      if (result.error) onFault(result.error);
      done(result);
    });
  return exporter;
}
