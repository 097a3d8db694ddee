import {
  type Attributes,
  type Context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
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
import type { SamplerName, Tracing, TracingOptions } from './types.ts';

/** What an end may take: the process has others to wait for. */
const closeMs = 2_000;

/** Loaded by openTracing alone. Nothing global is set, so no library of ours is changed by it, and nothing goes upstream. */
export function createTracing({ sampler, ratio, version, onFault }: TracingOptions): Tracing {
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'wati-bff', 'service.version': version }))
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: samplerOf(sampler, ratio),
    spanProcessors: [new BatchSpanProcessor({ exporter: tellingFaults(new OTLPTraceExporter(), onFault) })],
  });
  const tracer = provider.getTracer('wati-bff', version);
  /** Each call has one span, however many requests it was made for. */
  const told = new WeakMap<CallReport, SpanContext>();

  const tell = (report: CallReport, parent: Context) => {
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
    told.set(report, span.spanContext());
  };

  return {
    startRequestSpan: ({ method, route, traceparent }) => {
      const attributes: Attributes = { 'http.request.method': method };
      if (route !== undefined) attributes['http.route'] = route;
      const name = route === undefined ? method : `${method} ${route}`;
      const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parentOf(traceparent));
      const own = trace.setSpan(ROOT_CONTEXT, span);
      return {
        traceId: span.spanContext().traceId,
        recordCall: (report) => {
          const made = told.get(report);
          if (made) span.addLink({ context: made });
          else if (report.isShared) span.setAttribute('wati_bff.shared', true);
          else tell(report, own);
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
        if (!told.has(report)) tell(report, ROOT_CONTEXT);
      }),
    close: async () => {
      await withTimeout(provider.shutdown().catch(onFault), closeMs, () => {});
    },
  };
}

/** W3C Trace Context: of a version that we do not know, the parts that we do. */
function parentOf(traceparent: string | undefined): Context {
  const [, version, traceId = '', spanId = '', flags = '', more] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(traceparent ?? '') ?? [];
  const isKnown = version === '00' ? more === undefined : version !== undefined && version !== 'ff';
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  if (!isKnown || !isSpanContextValid(context)) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, context);
}

function samplerOf(name: SamplerName, ratio: number): Sampler {
  const root = name.endsWith('always_on')
    ? new AlwaysOnSampler()
    : name.endsWith('always_off')
      ? new AlwaysOffSampler()
      : new TraceIdRatioBasedSampler(ratio);
  return name.startsWith('parentbased') ? new ParentBasedSampler({ root }) : root;
}

/** An exporter keeps its troubles to itself; an operator wants to know them. */
function tellingFaults(exporter: OTLPTraceExporter, onFault: (error: unknown) => void): OTLPTraceExporter {
  const send = exporter.export.bind(exporter);
  exporter.export = (spans, done) =>
    send(spans, (result) => {
      if (result.error) onFault(result.error);
      done(result);
    });
  return exporter;
}
