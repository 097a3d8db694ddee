import { Counter, type Registry } from '@prometheus-io/client';
import { cachedWithTimeout, metricFactories } from './metric-factories.ts';

/**
 * Metrics of callers' webhook endpoints. Endpoint ids are labels: a caller has few endpoints, and those of deleted
 * ones are removed.
 */
export interface WebhookMetrics {
  attempted(endpointId: string, result: string): void;
  /** This process no longer serves the endpoint. */
  forget(endpointId: string): void;
}

const results = ['delivered', 'failed', 'rested', 'gone'];

export function createWebhookMetrics(registry: Registry): WebhookMetrics {
  const attempts = new Counter({
    name: 'wati_bff_webhook_attempts_total',
    help: 'Events sent to an endpoint of a caller: delivered, failed, the endpoint asked for a rest, or it is gone (410)',
    labelNames: ['endpoint', 'result'] as const,
    registers: [registry],
  });
  return {
    attempted: (endpoint, result) => attempts.inc({ endpoint, result }),
    forget: (endpoint) => {
      for (const result of results) attempts.remove({ endpoint, result });
    },
  };
}

interface EndpointSources {
  /** The endpoints that this process serves. */
  endpoints(): readonly { id: string; status: string; lagMs: number }[];
  parked(endpointIds: readonly string[]): Promise<ReadonlyMap<string, { pending: number }>>;
}

const statuses = ['enabled', 'failing', 'disabled', 'disabled_by_caller'];

/** Each endpoint is reported by the one process that serves it. */
export function tellEndpoints(registry: Registry, { endpoints, parked }: EndpointSources): void {
  const { gauge } = metricFactories(registry);
  const counts = cachedWithTimeout(() => parked(endpoints().map(({ id }) => id)), 0);
  gauge(
    {
      name: 'webhook_endpoints',
      help: 'Endpoints of callers that this replica serves; failing: nothing was delivered for 15 minutes; disabled: by the service',
      labels: ['status'],
    },
    () => statuses.map((status) => [{ status }, endpoints().filter((endpoint) => endpoint.status === status).length]),
  );
  gauge(
    {
      name: 'webhook_lag_seconds',
      help: 'How old the oldest event is that an endpoint is still to get, parked ones apart',
      labels: ['endpoint'],
    },
    () => endpoints().map(({ id, lagMs }) => [{ endpoint: id }, lagMs / 1000]),
  );
  gauge(
    {
      name: 'webhook_parked',
      help: 'Events that an endpoint did not take and that wait for another try, up to 10,000',
      labels: ['endpoint'],
    },
    async () => {
      const known = await counts();
      return known ? endpoints().map(({ id }) => [{ endpoint: id }, known.get(id)?.pending ?? 0]) : [];
    },
  );
}
