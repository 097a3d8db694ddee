import { Counter, collectDefaultMetrics, Histogram, Registry } from '@prometheus-io/client';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { TrackingMetrics } from '../tracking/applier.ts';
import type { CallReport } from '../upstream/types.ts';
import { createEventMetrics, type EventMetrics } from './event-metrics.ts';
import { createPollMetrics, type PollMetrics } from './poll-metrics.ts';
import { createTrackingMetrics } from './tracking-metrics.ts';

/** Counters and histograms. Labels are route patterns, caller names and fixed words; never phone numbers or texts. */
export interface Metrics {
  registry: Registry;
  recordUpstreamCall(report: CallReport): void;
  recordOutcome(kind: string, outcome: string): void;
  /** Call when a message has ended as `not_sent` because its `notAfter` passed. */
  recordExpired(kind: string): void;
  /** A bulk call was made with this many messages. */
  recordBatch(lane: string, size: number): void;
  /** A database operation took this many seconds. */
  recordStoreCall(kind: 'read' | 'write' | 'slot' | 'permits', seconds: number, failed: boolean): void;
  /** An answer to this operation contained a key of this service. */
  recordKeyEcho(operation: string): void;
  /** What became of messages after WATI accepted them. */
  tracking: TrackingMetrics;
  polls: PollMetrics;
  events: EventMetrics;
  /** Counts an answered request. */
  recordRequest(request: FastifyRequest, reply: FastifyReply): void;
}

const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];
/** Buckets start low, because a read of SQLite takes some 10 µs. */
const storeBuckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Metrics of the process. Their timers and observers last as long as it does, so they are created once. */
export function createProcessMetrics(): Registry {
  const registry = new Registry();
  // Less often than the default of ten times a second, which costs up to 4 % of a core for two metrics that no alert reads.
  collectDefaultMetrics({ register: registry, eventLoopUtilizationTimeout: 1_000 });
  return registry;
}

export function createMetrics(ofProcess: Registry): Metrics {
  const registry = Registry.merge([ofProcess]);
  const registers = [registry];
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
  const expired = new Counter({
    name: 'wati_bff_expired_total',
    help: 'Of the sends that ended `not_sent`, those whose `notAfter` passed',
    registers,
  });
  return {
    registry,
    ...createRequestMetrics(registers),
    ...createUpstreamMetrics(registers),
    ...createStoreMetrics(registers),
    recordOutcome: (kind, outcome) => sends.inc({ kind, outcome }),
    recordExpired: (kind) => {
      sends.inc({ kind, outcome: 'not_sent' });
      expired.inc();
    },
    recordBatch: (lane, size) => groups.observe({ lane }, size),
    tracking: createTrackingMetrics(registry),
    polls: createPollMetrics(registry),
    events: createEventMetrics(registry),
  };
}

function createRequestMetrics(registers: Registry[]): Pick<Metrics, 'recordRequest'> {
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
  return {
    recordRequest: (request, reply) => {
      const { method } = request;
      const route = request.routeOptions.url ?? 'none';
      const caller = request.caller?.name ?? 'none';
      requests.inc({ method, route, status: String(reply.statusCode), caller });
      requestSeconds.observe({ method, route }, reply.elapsedTime / 1000);
    },
  };
}

function createUpstreamMetrics(registers: Registry[]): Pick<Metrics, 'recordUpstreamCall' | 'recordKeyEcho'> {
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
  const echoes = new Counter({
    name: 'wati_bff_key_echoes_total',
    help: 'Answers of the upstream that held a key of this service, and were withheld',
    labelNames: ['operation'] as const,
    registers,
  });
  echoes.inc({ operation: 'any' }, 0);
  return {
    recordUpstreamCall: ({ operation, status, errorCode, durationMs }) => {
      attempts.inc({ operation, result: errorCode ?? String(status) });
      attemptSeconds.observe({ operation }, durationMs / 1000);
    },
    recordKeyEcho: (operation) => echoes.inc({ operation }),
  };
}

function createStoreMetrics(registers: Registry[]): Pick<Metrics, 'recordStoreCall'> {
  const seconds = new Histogram({
    name: 'wati_bff_store_duration_seconds',
    help: 'What the database took; of a write, until it is durable',
    labelNames: ['kind'] as const,
    buckets: storeBuckets,
    registers,
  });
  const failures = new Counter({
    name: 'wati_bff_store_failures_total',
    help: 'What the database did not do',
    labelNames: ['kind'] as const,
    registers,
  });
  const durations = {
    read: seconds.labels('read'),
    write: seconds.labels('write'),
    slot: seconds.labels('slot'),
    permits: seconds.labels('permits'),
  };
  for (const kind of ['read', 'write']) failures.inc({ kind }, 0);
  return {
    recordStoreCall: (kind, took, failed) => {
      durations[kind].observe(took);
      if (failed) failures.inc({ kind });
    },
  };
}
