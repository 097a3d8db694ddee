import type { EventSignal, EventText } from '../events/types.ts';
import type { EventStore } from '../store/event-store.ts';
import type { WebhookEndpointStore } from '../store/webhook-endpoint-store.ts';
import type { WebhookSender } from './sender.ts';

export type AttemptResult = 'delivered' | 'failed' | 'gone' | 'rested';

export interface WebhookMetrics {
  attempted(endpointId: string, result: AttemptResult): void;
  /** It is served here no more. */
  forget(endpointId: string): void;
}

interface WebhookLog {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

/** So that tests need not wait. */
export interface DispatcherClock {
  /** Wall clock, ms. */
  now(): number;
  /** Monotonic, ms. */
  monotonic(): number;
  /** Resolves after so long, or as soon as the signal aborts. */
  wait(ms: number, signal: AbortSignal): Promise<unknown>;
  /** From 0 to 1. */
  random(): number;
}

export interface DispatcherServices {
  store: Pick<EventStore, 'readEvents'> &
    Pick<WebhookEndpointStore, 'claimEndpoints' | 'saveEndpointProgress' | 'dueParked' | 'nextParkedDueInMs'>;
  sender: Pick<WebhookSender, 'send'>;
  /** Only while there is an endpoint to be told. */
  signal: EventSignal;
  /** Whether anything can be sent at all; without, endpoints are left to other processes. */
  isAvailable: () => boolean;
  text: EventText;
  /** Which connections a caller is told of; undefined: it is gone, or may have no endpoints any more. */
  connectionsOf: (caller: string) => ((connectionId: string) => boolean) | undefined;
  metrics: WebhookMetrics;
  logger: WebhookLog;
  /** Something failed, and will be repeated. */
  onFault: (error: unknown) => void;
  /** An endpoint that has only failed for so long is disabled. */
  disableAfterMs: number;
  /** How long requests under way may take when the process ends. */
  drainMs: number;
  /** What is left out is the real one. */
  clock?: Partial<DispatcherClock>;
}

/** What the parts of one endpoint's loop share. */
export type EndpointServices = Omit<DispatcherServices, 'clock'> & { clock: DispatcherClock };
