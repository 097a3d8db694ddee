import { ConfigError } from '../config.ts';
import type { AttemptReport } from '../upstream/transport.ts';

/** One request as its trace tells it: route patterns, names and fixed words, never an address, a number or a text. */
export interface RequestSpan {
  readonly traceId: string;
  /** A call upstream was made for it. One that was made for several requests is a part of the first, and linked to the others. */
  attempt(report: AttemptReport): void;
  end(answer: { status: number; caller?: string | undefined; outcome?: string | undefined }): void;
}

export interface Tracing {
  /** `traceparent` (W3C) continues the trace of the caller. */
  begin(request: { method: string; route: string | undefined; traceparent: string | undefined }): RequestSpan;
  /** Called for every call upstream, before the requests that it was made for hear of it: what is for none is a trace of its own. */
  saw(report: AttemptReport): void;
  /** Exports what is left, in the time that it has. Never throws. */
  close(): Promise<void>;
}

export interface TracingOptions {
  sampler: SamplerName;
  ratio: number;
  version: string;
  onFault: (error: unknown) => void;
}

const samplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export type SamplerName = (typeof samplers)[number];

const isSampler = (name: string): name is SamplerName => samplers.some((each) => each === name);

/**
 * Tracing as the standard OTEL_* variables want it: none unless they name an exporter or an endpoint, and then nothing of
 * OpenTelemetry is loaded. The exporter reads its own variables (endpoint, headers, time-out). Throws ConfigError.
 */
export async function openTracing(
  environment: Readonly<Record<string, string | undefined>>,
  { version, onFault }: Pick<TracingOptions, 'version' | 'onFault'>,
): Promise<Tracing | undefined> {
  const settingOf = (name: string) => environment[name]?.trim() || undefined;
  const exporter = settingOf('OTEL_TRACES_EXPORTER');
  const endpoint = settingOf('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') ?? settingOf('OTEL_EXPORTER_OTLP_ENDPOINT');
  const isDisabled = settingOf('OTEL_SDK_DISABLED')?.toLowerCase() === 'true';
  if (isDisabled || exporter === 'none' || (exporter === undefined && endpoint === undefined)) return undefined;

  const faults: string[] = [];
  if (exporter !== undefined && exporter !== 'otlp') faults.push('OTEL_TRACES_EXPORTER must be otlp or none');
  const protocol = settingOf('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') ?? settingOf('OTEL_EXPORTER_OTLP_PROTOCOL');
  if (protocol !== undefined && protocol !== 'http/json') {
    faults.push(
      'OTEL_EXPORTER_OTLP_PROTOCOL must be http/json, which every collector takes where it takes http/protobuf',
    );
  }
  if (endpoint !== undefined && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) {
    faults.push('OTEL_EXPORTER_OTLP_ENDPOINT must be an address with http or https');
  }
  const sampler = settingOf('OTEL_TRACES_SAMPLER') ?? 'parentbased_always_on';
  const ratio = Number(settingOf('OTEL_TRACES_SAMPLER_ARG') ?? 1);
  if (!(ratio >= 0 && ratio <= 1)) faults.push('OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1');
  if (!isSampler(sampler)) faults.push(`OTEL_TRACES_SAMPLER must be one of ${samplers.join(', ')}`);
  if (!isSampler(sampler) || faults.length > 0) throw new ConfigError(faults);

  const { createTracing } = await import('./otlp.ts');
  return createTracing({ sampler, ratio, version, onFault });
}
