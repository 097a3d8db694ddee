import type { NewFact, StoredEvent } from './event-store.ts';

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
  /** Counts its takeovers, and changes of its status or position: a write of progress with an older one is refused. */
  epoch: number;
  /** Events behind the position that are delivered or parked already. */
  ahead: readonly number[];
  replay?: EndpointReplay;
}

/** Events behind `position` and up to `until` are sent again, but for those of `ahead`, which were. */
export interface EndpointReplay {
  /** Counts them: progress of an earlier one is not written. */
  request: number;
  position: number;
  until: number;
  ahead: readonly number[];
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
  /** Absent: as it was. */
  replay?: EndpointReplay & { isDone: boolean };
  /** Those whose events are deleted are left out. */
  parked: readonly ParkedEvent[];
  /** Delivered at last: they are parked no more. */
  unparked: readonly number[];
  attempts: readonly EndpointAttempt[];
  failures: number;
  failingSince?: number;
  lastSuccessAt?: number;
  /** It is to be called no more. */
  disable?: { reason: string };
  /** What its caller is told of it, in the same commit. */
  facts?: readonly NewFact[];
}

export interface WebhookEndpointStore {
  /** At most so many of a caller: answers whether there was room. */
  createEndpoint(endpoint: NewEndpoint, maxPerCaller: number): Promise<StoredEndpoint | undefined>;
  findEndpoint(caller: string, id: string): Promise<StoredEndpoint | undefined>;
  listEndpoints(caller: string): Promise<StoredEndpoint[]>;
  /**
   * Enabling clears reason, failures and failingSince; disabling says the reason `caller`. A position forgets what is ahead of it, and a
   * replay.
   */
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
  /**
   * False: another process serves it by now, it is deleted, or its caller has changed its status or position; nothing was written.
   */
  saveEndpointProgress(progress: EndpointProgress): Promise<boolean>;
  /** Parked events that are due, oldest first, with their events; those whose events are deleted go. */
  dueParked(endpointId: string, limit: number): Promise<(ParkedEvent & { event: StoredEvent })[]>;
  /** When the next parked event is due, from now; absent: none waits. */
  nextParkedDueInMs(endpointId: string): Promise<number | undefined>;
  /** Of each of these endpoints; counts no further than 10,000. */
  parkedCounts(endpointIds: readonly string[]): Promise<ReadonlyMap<string, { pending: number; failed: number }>>;

  /**
   * The newest events first, each once: `pending` and `failed` are parked, `delivered` are those among the last 1,000 attempts that
   * succeeded. An event that failed and is not parked, because all fail, is `pending`. Events that are deleted are left out.
   */
  listDeliveries(
    endpointId: string,
    ask: { status?: 'pending' | 'failed' | 'delivered'; before?: number; limit: number },
  ): Promise<{ deliveries: EndpointDelivery[]; next?: number }>;

  /**
   * Sends again: since a number by walking it, single events and what failed by parking them as due. Events of types that it no
   * longer has are skipped. A walk under way is widened. undefined: it has no such endpoint that is enabled.
   */
  replayEndpoint(
    caller: string,
    id: string,
    what: { after: number; until: number } | { eventIds: readonly string[] } | { failed: true },
  ): Promise<Replayed | undefined>;
}

/** Counted no further than 10,000 in all. */
export interface Replayed {
  queued: number;
  /** Of types that the endpoint no longer has, or no events of its caller that are kept. */
  skipped: number;
}

export interface EndpointDelivery {
  /** For the cursor: the number of the event. */
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
