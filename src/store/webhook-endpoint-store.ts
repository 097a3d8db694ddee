import type { StoredEvent } from './event-store.ts';

/**
 * Where the webhook endpoints of callers are kept, how far each has got, and what is parked. Types only, like message-store.ts.
 * Times are wall clock, ms, but for `dueInMs`, which counts from now.
 */

export type EndpointStatus = 'enabled' | 'disabled';

export interface NewEndpoint {
  id: string;
  caller: string;
  url: string;
  types: readonly string[];
  description?: string;
  /** The number of the event behind which it begins. */
  position: number;
}

export interface StoredEndpoint extends NewEndpoint {
  status: EndpointStatus;
  /** Why it is disabled: `gone`, `failing`, `caller`. */
  reason?: string;
  createdAt: number;
  updatedAt: number;
  /** Counts the secrets; the derived secret follows it. */
  secretVersion: number;
  /** Until when the secret before it signs as well. */
  previousSecretUntil?: number;
  failingSince?: number;
  lastSuccessAt?: number;
  /** Attempts since the last success. */
  failures: number;
  /** Counts its takeovers: a write with an older one is refused. */
  epoch: number;
  /** Events behind the position that are delivered already. */
  ahead: readonly number[];
  /** Events up to `until` are sent again, behind `position`. */
  replay?: { position: number; until: number };
}

export interface ParkedEvent {
  eventSeq: number;
  state: 'pending' | 'failed';
  tries: number;
  /** From now; 0: due. Absent: `failed`. */
  dueInMs?: number;
  lastStatus?: number;
  lastError?: string;
}

export interface EndpointAttempt {
  eventSeq: number;
  at: number;
  /** Of the answer; absent: there was none. */
  status?: number;
  durationMs: number;
  /** Why it failed; absent: it was delivered. */
  error?: string;
}

/** What a dispatcher found out about one endpoint since its last write. */
export interface EndpointProgress {
  id: string;
  epoch: number;
  position: number;
  ahead: readonly number[];
  replay?: { position: number; until: number };
  parked: readonly ParkedEvent[];
  /** Delivered at last: they are parked no more. */
  unparked: readonly number[];
  attempts: readonly EndpointAttempt[];
  failures: number;
  failingSince?: number;
  lastSuccessAt?: number;
  /** It is to be called no more. */
  disable?: { reason: string };
}

export interface WebhookEndpointStore {
  /** At most so many of a caller: answers whether there was room. */
  createEndpoint(endpoint: NewEndpoint, maxPerCaller: number): Promise<StoredEndpoint | undefined>;
  findEndpoint(caller: string, id: string): Promise<StoredEndpoint | undefined>;
  listEndpoints(caller: string): Promise<StoredEndpoint[]>;
  /** A change of the url, types or status; enabling clears reason, failures and failingSince. */
  updateEndpoint(
    caller: string,
    id: string,
    change: {
      url?: string;
      types?: readonly string[];
      description?: string;
      status?: EndpointStatus;
      position?: number;
    },
  ): Promise<StoredEndpoint | undefined>;
  deleteEndpoint(caller: string, id: string): Promise<boolean>;
  /** The next secret signs from now on, the one before it until then too. */
  rotateEndpointSecret(caller: string, id: string, previousUntil: number): Promise<StoredEndpoint | undefined>;

  /** Takes over what nobody alive serves, and answers all that this process serves, of all callers. */
  claimEndpoints(): Promise<StoredEndpoint[]>;
  /** False: another process serves it by now (or it is deleted), and nothing was written. */
  saveEndpointProgress(progress: EndpointProgress): Promise<boolean>;
  /** Parked events that are due, oldest first, with their events; those whose events are deleted go. */
  dueParked(endpointId: string, limit: number): Promise<(ParkedEvent & { event: StoredEvent })[]>;
  /** When the next parked event is due, from now; absent: none waits. */
  nextParkedDueInMs(endpointId: string): Promise<number | undefined>;
  /** Counts of one or all endpoints of a caller. */
  parkedCounts(endpointIds: readonly string[]): Promise<ReadonlyMap<string, { pending: number; failed: number }>>;

  /** `pending` and `failed` are what is parked, `delivered` are attempts that succeeded; newest first. */
  listDeliveries(
    endpointId: string,
    ask: { status?: 'pending' | 'failed' | 'delivered'; before?: number; limit: number },
  ): Promise<{ deliveries: EndpointDelivery[]; next?: number }>;

  /** Sends again: since a number by walking it, single events and what failed by parking them as due. Answers how many. */
  replayEndpoint(
    caller: string,
    id: string,
    what: { after: number; until: number } | { eventIds: readonly string[] } | { failed: true },
  ): Promise<number | undefined>;
}

export interface EndpointDelivery {
  /** For the cursor. */
  place: number;
  eventId: string;
  type: string;
  status: 'pending' | 'failed' | 'delivered';
  tries?: number;
  at?: number;
  nextAttemptInMs?: number;
  httpStatus?: number;
  durationMs?: number;
  error?: string;
}
