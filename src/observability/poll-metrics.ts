import { Counter, type Registry } from '@prometheus-io/client';
import { cachedWithTimeout, metricFactories } from './metric-factories.ts';

/** The cost of reading histories. */
export interface PollMetrics {
  read(): void;
}

export function createPollMetrics(registry: Registry): PollMetrics {
  const calls = new Counter({
    name: 'wati_bff_poll_calls_total',
    help: 'Histories read because no webhook tells what became of messages',
    registers: [registry],
  });
  return { read: () => calls.inc() };
}

interface MonthSources {
  calls(): Promise<readonly { connectionId: string; n: number }[]>;
  /** Calls per month in WATI's plan; undefined: no limit. */
  quota: number | undefined;
  /** How long the store is not asked again, ms. */
  restMs: number;
}

/** Connections are those of the account; the metric has at most a hundred of them. */
export function tellMonthCalls(registry: Registry, { calls, quota, restMs }: MonthSources): void {
  const { gauge } = metricFactories(registry);
  const known = cachedWithTimeout(calls, restMs);
  gauge(
    {
      name: 'upstream_month_calls',
      help: 'Calls of a connection to the gateway in this month (UTC), of all replicas',
      labels: ['connection'],
    },
    async () => ((await known()) ?? []).map(({ connectionId, n }) => [{ connection: connectionId }, n]),
  );
  gauge(
    { name: 'upstream_month_quota_calls', help: 'How many the plan of WATI_PLAN holds; 0: there is no limit' },
    () => [[{}, quota ?? 0]],
  );
}
