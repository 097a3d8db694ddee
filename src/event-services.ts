import { type Caller, eventsFor, hasScope, mayUse } from './callers.ts';
import type { Config } from './config.ts';
import { type Events, openEvents } from './events/open-events.ts';
import { tellRetention } from './observability/event-metrics.ts';
import type { Metrics } from './observability/metrics.ts';
import { createWebhookMetrics, tellEndpoints } from './observability/webhook-metrics.ts';
import { createRecording, type Recording } from './recording.ts';
import type { ServiceOverrides } from './service-overrides.ts';
import type { RetryDelays } from './settings/retry-delays.ts';
import type { Store } from './store/open.ts';
import type { OnTaskError } from './task-error-code.ts';
import { createDispatcher, type Dispatcher } from './webhooks/dispatcher.ts';
import type { Webhooks } from './webhooks/open-webhooks.ts';

/** Recording, reading and sending of callers' events. */
export interface EventServices {
  recording: Recording;
  events: Events;
  dispatcher: Dispatcher;
}

interface EventParts {
  store: Store;
  webhooks: Webhooks;
  metrics: Metrics;
  pauses: RetryDelays;
  onTaskError: OnTaskError;
}

export async function openEventServices(
  config: Config,
  overrides: ServiceOverrides,
  parts: EventParts,
): Promise<EventServices> {
  const recording = createRecording(config, overrides, parts);
  const events = await openEvents(parts.store, recording.recorder, (error) => parts.onTaskError('events', error));
  tellRetention(parts.metrics.registry, config.EVENT_RETENTION_DAYS);
  return { recording, events, dispatcher: openDispatcher(config, overrides, { ...parts, events }) };
}

/**
 * The connections whose events a caller's endpoints get; undefined if its entry is gone, or lists no events or no
 * scope of webhooks.
 */
export function toldConnections(caller: Caller | undefined): ((connectionId: string) => boolean) | undefined {
  if (!caller || eventsFor(caller).length === 0) return undefined;
  if (!hasScope(caller, 'webhooks:read') && !hasScope(caller, 'webhooks:write')) return undefined;
  return (connectionId) => mayUse(caller, connectionId);
}

const hourMs = 60 * 60_000;

/** Sends only if there are a signing key and allowed hosts. */
function openDispatcher(
  config: Config,
  { callers, logger, now }: ServiceOverrides,
  { store, webhooks, events, metrics, onTaskError }: EventParts & { events: Events },
): Dispatcher {
  const {
    WEBHOOK_TIMEOUT_MS,
    WEBHOOK_DISABLE_AFTER_HOURS,
    WEBHOOK_CATCH_UP_PER_SECOND,
    SHUTDOWN_TIMEOUT_MS,
    DRAIN_DELAY_MS,
  } = config;
  const dispatcher = createDispatcher({
    store,
    sender: webhooks.sender,
    signal: events.hub,
    text: events.text,
    isAvailable: () => webhooks.secrets.available() && webhooks.destinations.isOpen,
    connectionsOf: (id) => toldConnections(callers.byId(id)),
    metrics: createWebhookMetrics(metrics.registry),
    logger,
    onFault: (error) => onTaskError('webhooks', error),
    disableAfterMs: WEBHOOK_DISABLE_AFTER_HOURS * hourMs,
    catchUpPerSecond: WEBHOOK_CATCH_UP_PER_SECOND,
    // Uses the sandbox's movable clock: what becomes due by it is tried within a second.
    ...(now && { clock: { now, monotonic: () => performance.now() + now() - Date.now() } }),
    drainMs: Math.min(WEBHOOK_TIMEOUT_MS, (SHUTDOWN_TIMEOUT_MS - DRAIN_DELAY_MS) / 2),
  });
  tellEndpoints(metrics.registry, { endpoints: dispatcher.states, parked: (ids) => store.parkedCounts(ids) });
  return dispatcher;
}
