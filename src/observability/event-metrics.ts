import { Counter, type Registry } from '@prometheus-io/client';
import { eventTypes } from '../events/event-types.ts';
import { metricFactories } from './metric-factories.ts';

/** Metrics of events for callers. */
export interface EventMetrics {
  /** Counts an event that this process recorded for a caller. */
  recorded(type: string): void;
}

export function createEventMetrics(registry: Registry): EventMetrics {
  const events = new Counter({
    name: 'wati_bff_events_total',
    help: 'Events recorded for callers',
    labelNames: ['type'] as const,
    registers: [registry],
  });
  for (const type of eventTypes) events.inc({ type }, 0);
  return { recorded: (type) => events.inc({ type }) };
}

/** Lets an alert report how much of the retention is left. */
export function tellRetention(registry: Registry, days: number): void {
  const { gauge } = metricFactories(registry);
  gauge({ name: 'event_retention_seconds', help: 'How long events are kept (EVENT_RETENTION_DAYS)' }, () => [
    [{}, days * 24 * 60 * 60],
  ]);
}
