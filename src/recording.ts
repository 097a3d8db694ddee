import type { Config } from './config.ts';
import { createEventAudience, type EventAudience } from './events/audience.ts';
import { createEventRecorder, type EventRecorder } from './events/event-recorder.ts';
import type { Metrics } from './observability/metrics.ts';
import type { ServiceOverrides } from './service-overrides.ts';
import type { RetryDelays } from './settings/retry-delays.ts';
import type { Store } from './store/open.ts';
import type { OnTaskError } from './task-error-code.ts';
import type { FactOptions } from './tracking/fact-options.ts';

/** Records events for callers. */
export interface Recording {
  audience: EventAudience;
  recorder: EventRecorder;
  /** For the facts in webhooks and histories. */
  factOptions: FactOptions;
}

const hourMs = 3_600_000;

interface RecordingParts {
  store: Store;
  metrics: Metrics;
  pauses: RetryDelays;
  onTaskError: OnTaskError;
}

export function createRecording(config: Config, overrides: ServiceOverrides, parts: RecordingParts): Recording {
  const now = overrides.now ?? (() => Date.now());
  const { store, metrics, pauses, onTaskError } = parts;
  const audience = createEventAudience(overrides.callers);
  const recorder = createEventRecorder({
    store,
    audience,
    onRecorded: metrics.events.recorded,
    logger: overrides.logger,
    onFault: (error) => onTaskError('events', error),
    now,
    lookEveryMs: pauses.eventsEveryMs,
  });
  const { REPLY_ROUTING_HOURS, INTAKE_DEDUPE_DAYS, EVENT_RETENTION_DAYS } = config;
  const factOptions: FactOptions = {
    audience,
    routingMs: REPLY_ROUTING_HOURS * hourMs,
    // As long as a repeated webhook, and the event of the first, are known.
    staleMs: Math.min(INTAKE_DEDUPE_DAYS, EVENT_RETENTION_DAYS) * 24 * hourMs,
    now,
  };
  return { audience, recorder, factOptions };
}
