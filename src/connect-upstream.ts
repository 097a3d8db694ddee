import type { Config } from './config.ts';
import type { Metrics } from './observability/metrics.ts';
import type { OutboundRateLimiter } from './rate-limit/types.ts';
import type { Readiness } from './readiness.ts';
import type { ServiceOverrides } from './service-overrides.ts';
import type { Dispatchers } from './upstream/dispatchers.ts';
import { createUpstream, type Upstream } from './upstream/upstream.ts';

interface UpstreamWiring {
  matonKey: () => string;
  dispatchers: Dispatchers;
  rateLimiter: OutboundRateLimiter | undefined;
  metrics: Metrics;
  /** Other replicas share the account. */
  replicas: boolean;
  readRetryMs: number;
  onAttempt: Parameters<typeof createUpstream>[1]['onAttempt'];
  onAnswer: Readiness['heard'];
}

/** Calls to Maton and WATI, counted. */
export function connectUpstream(config: Config, overrides: ServiceOverrides, wiring: UpstreamWiring): Upstream {
  const { matonKey, dispatchers, rateLimiter, metrics, replicas, readRetryMs, onAttempt, onAnswer } = wiring;
  return createUpstream(config, {
    key: matonKey,
    dispatchers,
    replicas,
    readRetryMs,
    onAnswer,
    ...(rateLimiter && { rateLimiter }),
    onAttempt: (report, connection) => {
      metrics.recordUpstreamCall(report);
      overrides.tracing?.recordUnattributed(report);
      onAttempt(report, connection);
    },
    onEcho: (operation) => {
      metrics.recordKeyEcho(operation);
      overrides.logger.error({ operation }, 'the upstream quoted a key of this service; renew it');
    },
  });
}
