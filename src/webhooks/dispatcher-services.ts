import type { EventSignal, EventText } from '../events/types.ts';
import type { EventStore } from '../store/event-store.ts';
import type { WebhookEndpointStore } from '../store/webhook-endpoint-store.ts';
import type { CatchUpPace } from './catch-up-pace.ts';
import type { WebhookSender } from './sender.ts';

export type EventAttemptResult = 'delivered' | 'failed' | 'gone' | 'rested';

export interface WebhookMetrics {
  attempted(endpointId: string, result: EventAttemptResult): void;
  /** This process no longer serves the endpoint. */
  forget(endpointId: string): void;
}

interface WebhookLog {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

/** Time and chance as arguments, so that tests need not wait. */
export interface DispatcherClock {
  /** Wall clock, ms. */
  now(): number;
  /** Monotonic clock, ms. */
  monotonic(): number;
  /** Resolves after this time, or as soon as the signal aborts. */
  wait(ms: number, signal: AbortSignal): Promise<unknown>;
  /** Random number from 0 to 1. */
  random(): number;
}

export interface DispatcherServices {
  store: Pick<EventStore, 'readEvents'> &
    Pick<WebhookEndpointStore, 'claimEndpoints' | 'saveEndpointProgress' | 'dueParked' | 'nextParkedDueInMs'>;
  sender: Pick<WebhookSender, 'send'>;
  /** Called only while there is an endpoint to serve. */
  signal: EventSignal;
  /** Whether webhooks can be sent at all. If not, endpoints are left to other processes. */
  isAvailable: () => boolean;
  text: EventText;
  /** The connections whose events a caller may get; undefined if the caller was removed or may not have endpoints. */
  connectionsOf: (caller: string) => ((connectionId: string) => boolean) | undefined;
  metrics: WebhookMetrics;
  logger: WebhookLog;
  /** A step failed and will be repeated. */
  onFault: (error: unknown) => void;
  /** An endpoint that has only failed for this long is disabled. */
  disableAfterMs: number;
  /** Events a second that this process sends to endpoints that catch up, all together. */
  catchUpPerSecond: number;
  /** Time limit for requests in flight when the process ends. */
  drainMs: number;
  /** Overrides for tests; the real ones by default. */
  clock?: Partial<DispatcherClock>;
}

/** Shared by the parts of one endpoint's loop. */
export type EndpointServices = Omit<DispatcherServices, 'clock' | 'catchUpPerSecond'> & {
  clock: DispatcherClock;
  catchUp: CatchUpPace;
};
