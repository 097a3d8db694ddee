import { Counter, Histogram, type Registry } from '@prometheus-io/client';
import type { TrackingMetrics } from '../tracking/applier.ts';
import { failureKinds } from '../tracking/failure-kind.ts';
import { appliedOutcomes } from '../tracking/transitions.ts';

/** From seconds to the day for which WATI repeats a webhook. */
const buckets = [1, 2, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400];

const statuses = ['sent', 'delivered', 'read', 'replied'];

/** The effects of webhooks on messages. */
export function createTrackingMetrics(registry: Registry): TrackingMetrics {
  const registers = [registry];
  const applied = new Counter({
    name: 'wati_bff_intake_applied_total',
    help: 'Webhooks applied, by what they did: moved a message, came late, told an id, were of a message of somebody else, failed; or a customer wrote',
    labelNames: ['outcome'] as const,
    registers,
  });
  for (const outcome of appliedOutcomes) applied.inc({ outcome }, 0);
  const delivery = new Counter({
    name: 'wati_bff_delivery_total',
    help: 'Messages that reached a state after WATI took them; of failures by their kind',
    labelNames: ['status', 'failure_kind'] as const,
    registers,
  });
  for (const status of statuses) delivery.inc({ status, failure_kind: '' }, 0);
  for (const failure_kind of failureKinds) delivery.inc({ status: 'failed', failure_kind }, 0);
  const seconds = new Histogram({
    name: 'wati_bff_delivery_seconds',
    help: 'From the attempt that sent a message to the webhook that tells its state',
    labelNames: ['status'] as const,
    buckets,
    registers,
  });
  for (const status of [...statuses, 'failed']) seconds.zero({ status });
  const resolved = new Counter({
    name: 'wati_bff_resolved_total',
    help: 'Messages whose outcome was replaced by accepted, because they were found to have been sent',
    labelNames: ['by'] as const,
    registers,
  });
  for (const by of ['webhook', 'poll', 'reconcile']) resolved.inc({ by }, 0);
  const contradictions = new Counter({
    name: 'wati_bff_contradictions_total',
    help: 'Messages that were sent after all, though they had been said to be not sent or rejected',
    registers,
  });
  return {
    applied: (outcome) => applied.inc({ outcome }),
    reached: ({ status, failureKind = '', seconds: since }) => {
      delivery.inc({ status, failure_kind: failureKind });
      if (since !== undefined) seconds.observe({ status }, since);
    },
    resolved: (by) => resolved.inc({ by }),
    contradiction: () => contradictions.inc(),
  };
}
