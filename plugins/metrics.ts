import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Budget } from '../src/budget/words.ts';
import type { AttemptReport } from '../src/upstream/transport.ts';

/** What the service counts. Labels are route patterns, caller names and fixed words: never a number or a text. */
export interface Metrics {
  registry: Registry;
  attempt(report: AttemptReport): void;
  send(kind: string, outcome: string): void;
  /** A bulk call goes out with so many template sends. */
  group(lane: string, size: number): void;
  /** Tells at each scrape how the shared budget of calls stands. */
  budget(budget: Budget): void;
  /** Counts an answered request. */
  request(request: FastifyRequest, reply: FastifyReply): void;
}

const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: 'wati_bff_http_requests_total',
    help: 'Requests answered',
    labelNames: ['method', 'route', 'status', 'caller'] as const,
    registers,
  });
  const requestSeconds = new Histogram({
    name: 'wati_bff_http_request_duration_seconds',
    help: 'From the request line to the end of the answer',
    labelNames: ['method', 'route'] as const,
    buckets,
    registers,
  });
  const attempts = new Counter({
    name: 'wati_bff_upstream_attempts_total',
    help: 'Calls to the gateway and the control API; result is a status or an error code',
    labelNames: ['operation', 'result'] as const,
    registers,
  });
  const attemptSeconds = new Histogram({
    name: 'wati_bff_upstream_attempt_duration_seconds',
    help: 'Duration of one call upstream',
    labelNames: ['operation'] as const,
    buckets,
    registers,
  });
  const groups = new Histogram({
    name: 'wati_bff_group_size',
    help: 'Template sends in one call upstream',
    labelNames: ['lane'] as const,
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    registers,
  });
  const sends = new Counter({
    name: 'wati_bff_sends_total',
    help: 'Sends that ended, by outcome',
    labelNames: ['kind', 'outcome'] as const,
    registers,
  });

  return {
    registry,
    attempt: ({ operation, status, failed, durationMs }) => {
      attempts.inc({ operation, result: failed ?? String(status) });
      attemptSeconds.observe({ operation }, durationMs / 1000);
    },
    send: (kind, outcome) => sends.inc({ kind, outcome }),
    group: (lane, size) => groups.observe({ lane }, size),
    budget: (budget) => {
      new Gauge({
        name: 'wati_bff_budget_calls_per_second',
        help: 'Calls a second that the upstream lets us make, as learnt from its 429s',
        registers,
        collect() {
          this.set(budget.stats().rate);
        },
      });
      new Gauge({
        name: 'wati_bff_budget_waiting_calls',
        help: 'Calls that wait for their turn',
        labelNames: ['lane'] as const,
        registers,
        collect() {
          for (const [lane, { waiting }] of Object.entries(budget.stats().lanes)) this.set({ lane }, waiting);
        },
      });
    },
    request: (request, reply) => {
      const { method } = request;
      const route = request.routeOptions.url ?? 'none';
      const caller = request.caller?.name ?? 'none';
      requests.inc({ method, route, status: String(reply.statusCode), caller });
      requestSeconds.observe({ method, route }, reply.elapsedTime / 1000);
    },
  };
}
