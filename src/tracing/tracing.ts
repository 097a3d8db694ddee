import { ConfigError } from '../config.ts';
import type { Tracing } from './types.ts';

/**
 * Opens tracing as the standard OTEL_* variables configure it. Without an exporter or an endpoint there is none, and
 * OpenTelemetry is not loaded. The exporter reads its own variables (endpoint, headers, time-out). Throws ConfigError.
 */
export async function openTracing(
  environment: Readonly<Record<string, string | undefined>>,
  { version, onFault }: { version: string; onFault: (error: unknown) => void },
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
  const { createTracing, samplers } = await import('./otlp.ts');
  const createSampler = samplers.get(settingOf('OTEL_TRACES_SAMPLER') ?? 'parentbased_always_on');
  const ratio = Number(settingOf('OTEL_TRACES_SAMPLER_ARG') ?? 1);
  if (!(ratio >= 0 && ratio <= 1)) faults.push('OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1');
  if (!createSampler) faults.push(`OTEL_TRACES_SAMPLER must be one of ${[...samplers.keys()].join(', ')}`);
  if (!createSampler || faults.length > 0) throw new ConfigError(faults);
  return createTracing({ sampler: createSampler(ratio), version, onFault });
}
