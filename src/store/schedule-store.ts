import type { Json, MessageKind } from './message-store.ts';

/**
 * Messages that wait for their `sendAt`, or end at their `notAfter`. Types only, like message-store.ts. Times are compared with
 * the wall clock of the store, so that replicas agree. If that clock is changed, the change applies.
 */

/** Which messages are due now, and when the next one will be. */
export interface ScheduleState {
  /** Callers with scheduled messages that are due. */
  dueCallers: string[];
  isBroadcastDue: boolean;
  /** True if there may be messages or recipients whose `notAfter` has passed. */
  mayBeLate: boolean;
  /** Milliseconds until the next `sendAt` or `notAfter`; undefined: there is none. */
  nextInMs?: number;
}

/** A message that ended because its `notAfter` passed. */
export interface ExpiredMessage {
  id: string;
  caller: string;
  kind: MessageKind;
  connectionId: string;
}

/** How an expired message ends: `not_sent`. */
export interface Expiry {
  failure: { code: string; detail: string };
  outcome: Json;
}

export interface ScheduleStore {
  /** The wall clock of the store, ms. PostgreSQL: the database's, as of the last heartbeat. Does not query the database. */
  wallNow(): number;

  /** Takes one read, however many messages wait: an index lookup for each caller with scheduled messages. */
  scheduleState(): Promise<ScheduleState>;

  /**
   * Makes due messages `queued` and owned by this process: at most `limit`, an equal share of each of these callers, oldest first.
   * Returns how many. Two processes never take the same message.
   */
  startDue(callers: readonly string[], limit: number): Promise<number>;

  /** Counts up to 10,000. */
  countScheduledBroadcasts(): Promise<number>;

  /** Starts due broadcasts: `scheduled` -> `running`. Returns how many. */
  startDueBroadcasts(): Promise<number>;

  /**
   * Ends at most `limit` late messages: queued or scheduled single messages, and queued recipients of published broadcasts. Never ends
   * a message that is `sending`. Only its owner ends a queued single message, unless the owner is dead.
   */
  expireLate(limit: number, how: Expiry): Promise<ExpiredMessage[]>;

  /** The same for one single message. Returns false, and changes nothing, if it is not late, or neither queued nor scheduled. */
  expire(id: string, how: Expiry): Promise<boolean>;
}
