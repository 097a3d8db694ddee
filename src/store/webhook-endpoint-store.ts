import type { NewFact, StoredEvent } from './event-store.ts';

/**
 * Records of callers' webhook endpoints: their progress, and the events that are parked. Types only, like
 * message-store.ts. Times are wall clock in ms, except `dueInMs`, which counts from now.
 */

export type EndpointStatus = 'enabled' | 'disabled';

export interface NewEndpoint {
  id: string;
  caller: string;
  url: string;
  types: readonly string[];
  description?: string;
  /** The endpoint gets events behind this number. */
  position: number;
}

export interface StoredEndpoint extends NewEndpoint {
  status: EndpointStatus;
  /** Why it is disabled: `gone`, `failing`, `caller`. */
  reason?: string;
  createdAt: number;
  updatedAt: number;
  /** Counts the secrets. Each secret is derived from its number. */
  secretVersion: number;
  /** Until when the previous secret also signs. */
  previousSecretUntil?: number;
  failingSince?: number;
  lastSuccessAt?: number;
  /** Failed attempts since the last success. */
  failures: number;
  /**
   * Incremented when another process takes the endpoint over, and when its status or position is changed. Progress
   * written with an older epoch is refused.
   */
  epoch: number;
  /** Numbers behind the position of events that are delivered or parked already. */
  ahead: readonly number[];
  replay?: EndpointReplay;
}

/** Events behind `position` up to `until` are sent again, except those in `ahead`, which were sent already. */
export interface EndpointReplay {
  /** Counts the replays: progress of an earlier one is not written. */
  request: number;
  position: number;
  until: number;
  ahead: readonly number[];
}

export interface ParkedEvent {
  eventSeq: number;
  state: 'pending' | 'failed';
  tries: number;
  /** Milliseconds from now; 0: due. Absent for `failed`. */
  dueInMs?: number;
  lastStatus?: number;
  lastError?: string;
}

export interface EndpointAttempt {
  eventSeq: number;
  at: number;
  /** HTTP status of the response; absent: there was no response. */
  status?: number;
  durationMs: number;
  /** Why the attempt failed; absent: it was delivered. */
  error?: string;
}

/** Changes to one endpoint since the last write of its dispatcher. */
export interface EndpointProgress {
  id: string;
  epoch: number;
  position: number;
  ahead: readonly number[];
  /** Absent: unchanged. */
  replay?: EndpointReplay & { isDone: boolean };
  /** Newly parked events. Deleted events are skipped. */
  parked: readonly ParkedEvent[];
  /** Parked events that were delivered. */
  unparked: readonly number[];
  attempts: readonly EndpointAttempt[];
  failures: number;
  failingSince?: number;
  lastSuccessAt?: number;
  /** Set to disable the endpoint. */
  disable?: { reason: string };
  /** Facts for the endpoint's owner, recorded in the same commit. */
  facts?: readonly NewFact[];
}

export interface WebhookEndpointStore {
  /** Inserts an endpoint if its caller has fewer than `max`. Returns whether it did. */
  createEndpoint(endpoint: NewEndpoint, maxPerCaller: number): Promise<StoredEndpoint | undefined>;
  findEndpoint(caller: string, id: string): Promise<StoredEndpoint | undefined>;
  listEndpoints(caller: string): Promise<StoredEndpoint[]>;
  /**
   * Enabling clears reason, failures and failingSince; disabling sets the reason `caller`. Setting a position clears
   * `ahead` and the replay.
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
  /** Starts a new secret. The previous one also signs until the given time. */
  rotateEndpointSecret(caller: string, id: string, previousUntil: number): Promise<StoredEndpoint | undefined>;

  /**
   * Takes over endpoints that no living process serves. Returns all endpoints that this process serves, of all
   * callers.
   */
  claimEndpoints(): Promise<StoredEndpoint[]>;
  /**
   * Returns false, and writes nothing, if another process serves the endpoint, it was deleted, or its caller has
   * changed its status or position.
   */
  saveEndpointProgress(progress: EndpointProgress): Promise<boolean>;
  /** Parked events that are due, oldest first. Deletes those whose events were deleted. */
  dueParked(endpointId: string, limit: number): Promise<(ParkedEvent & { event: StoredEvent })[]>;
  /** Milliseconds until the next parked event is due; undefined if none waits. */
  nextParkedDueInMs(endpointId: string): Promise<number | undefined>;
  /** Counts for each of these endpoints, up to 10,000. */
  parkedCounts(endpointIds: readonly string[]): Promise<ReadonlyMap<string, { pending: number; failed: number }>>;

  /**
   * Newest events first, each once. `pending` and `failed` events are parked; `delivered` ones are those of the last
   * 1,000 attempts that succeeded. An event that failed and is not parked, because all events fail, is `pending`.
   * Deleted events are skipped.
   */
  listDeliveries(
    endpointId: string,
    ask: { status?: 'pending' | 'failed' | 'delivered'; before?: number; limit: number },
  ): Promise<{ deliveries: EndpointDelivery[]; next?: number }>;

  /**
   * Sends events again: all since a number by a walk; single events and failed ones by parking them as due. Events of
   * types that the endpoint no longer subscribes to are skipped. Extends a replay in progress. Undefined: the caller
   * has no such enabled endpoint.
   */
  replayEndpoint(
    caller: string,
    id: string,
    what: { after: number; until: number } | { eventIds: readonly string[] } | { failed: true },
  ): Promise<Replayed | undefined>;
}

/** Results of a replay, counted up to 10,000 in all. */
export interface Replayed {
  queued: number;
  /** Events of types that the endpoint no longer subscribes to, and ids that are not kept events of its caller. */
  skipped: number;
}

export interface EndpointDelivery {
  /** The event's number, for the cursor. */
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
