import { Counter, type Registry } from '@prometheus-io/client';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Front } from '../http/front.ts';
import type { SharedPool } from '../pools/shared-pool.ts';
import { metricFactories } from './metric-factories.ts';

interface FrontMetricSources {
  front: Front;
  /** All pools of the service. */
  pools: readonly SharedPool[];
  /** Lines that did not fit into the log's buffer. */
  linesDropped: () => number;
}

/** Adds metrics of what the front of the service admits, shares and refuses. */
export function registerFrontMetrics(registry: Registry, { front, pools, linesDropped }: FrontMetricSources): void {
  const { gauge, counter } = metricFactories(registry);

  gauge(
    { name: 'pool_size', help: 'How much there is of what callers share: pieces, or bytes', labels: ['pool'] },
    () => pools.map((pool) => [{ pool: pool.name }, pool.reading().size]),
  );
  gauge({ name: 'pool_used', help: 'How much of it is taken', labels: ['pool'] }, () =>
    pools.map((pool) => [{ pool: pool.name }, pool.used]),
  );
  gauge({ name: 'pool_holders', help: 'How many callers have some of it', labels: ['pool'] }, () =>
    pools.map((pool) => [{ pool: pool.name }, pool.reading().holders]),
  );
  counter(
    {
      name: 'pool_refused_total',
      help: 'Requests that got none: nothing was left (`pool-full`), or their caller had its share (`share-spent`)',
      labels: ['pool', 'reason'],
    },
    () =>
      pools.flatMap((pool) =>
        Object.entries(pool.reading().refused).map(([reason, count]) => [{ pool: pool.name, reason }, count] as const),
      ),
  );
  gauge({ name: 'connections_open', help: 'Connections of callers' }, () => [[{}, front.connections().open]]);
  counter(
    {
      name: 'connections_refused_total',
      help: 'Connections closed by us: all are taken (`full`), one address has too many (`address`), nothing was said while nearly all were taken (`silent`), too many requests sent ahead (`pipelined`)',
      labels: ['reason'],
    },
    () => Object.entries(front.connections().refused).map(([reason, count]) => [{ reason }, count]),
  );
  counter(
    { name: 'keyless_refused_total', help: 'Requests without a valid key beyond what one address may make' },
    () => [[{}, front.keyless.refused]],
  );
  counter(
    { name: 'log_lines_left_out_total', help: 'Lines of equal refusals that were counted and not logged' },
    () => [[{}, front.requestLog.left]],
  );
  counter(
    { name: 'log_lines_dropped_total', help: 'Lines that were lost because the log was not taken away fast enough' },
    () => [[{}, linesDropped()]],
  );
}

const counted = ['401', '403', '404', '429'];

/**
 * A hook of plugins/request-completed.ts. Counts refusals by status alone, so that a rise is visible without knowing callers
 * and routes.
 */
export function countRefusals(registry: Registry): (request: FastifyRequest, reply: FastifyReply) => void {
  const refusals = new Counter({
    name: 'wati_bff_refused_requests_total',
    help: 'Requests refused, by status',
    labelNames: ['status'] as const,
    registers: [registry],
  });
  for (const status of counted) refusals.inc({ status }, 0);
  return (_request, reply) => {
    const status = String(reply.statusCode);
    if (counted.includes(status)) refusals.inc({ status });
  };
}
