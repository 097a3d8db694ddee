import { createEventAudience, type EventAudience } from './events/audience.ts';
import { createEventRecorder, type EventRecorder } from './events/recorder.ts';
import type { Metrics } from './observability/metrics.ts';
import type { ServiceOverrides } from './service-overrides.ts';
import type { RetryDelays } from './settings/retry-delays.ts';
import type { Store } from './store/open.ts';
import type { OnTaskError } from './task-error-code.ts';

/** Who is told of what, and what writes it down for them. */
export interface Recording {
  audience: EventAudience;
  recorder: EventRecorder;
}

interface RecordingParts {
  store: Store;
  metrics: Metrics;
  pauses: RetryDelays;
  onTaskError: OnTaskError;
}

export function createRecording(overrides: ServiceOverrides, parts: RecordingParts): Recording {
  const { store, metrics, pauses, onTaskError } = parts;
  const audience = createEventAudience(overrides.callers);
  const recorder = createEventRecorder({
    store,
    audience,
    onRecorded: metrics.events.recorded,
    logger: overrides.logger,
    onFault: (error) => onTaskError('events', error),
    now: overrides.now ?? (() => Date.now()),
    lookEveryMs: pauses.eventsEveryMs,
  });
  return { audience, recorder };
}
