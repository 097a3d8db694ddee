import type { Json, MessageKind } from './message-store.ts';

/**
 * Messages that wait for their `sendAt`, or end with their `notAfter`. Types only, like message-store.ts. Times are compared with
 * the wall clock of the store, so that replicas agree, and a clock that is set is followed.
 */

/** What is due now, and when more will be. */
export interface ScheduleState {
  /** Callers with scheduled messages that are due. */
  dueCallers: string[];
  isBroadcastDue: boolean;
  /** There may be messages or recipients whose `notAfter` has passed. */
  mayBeLate: boolean;
  /** Until the next time that is to come; undefined: there is none. */
  nextInMs?: number;
}

/** A message that has ended because its `notAfter` passed. */
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

  /** One read, however many messages wait: an index lookup for each caller with scheduled messages. */
  scheduleState(): Promise<ScheduleState>;

  /**
   * Messages that are due become `queued`, owned by this process: at most `limit`, as many of each of these callers, oldest
   * first. Returns how many. Two processes never take the same.
   */
  startDue(callers: readonly string[], limit: number): Promise<number>;

  countScheduledBroadcasts(): Promise<number>;

  /** Broadcasts that are due: `scheduled` -> `running`. Returns how many. */
  startDueBroadcasts(): Promise<number>;

  /**
   * Ends what is late, at most `limit`: single messages that are queued or scheduled, and queued recipients of broadcasts that are
   * published. Never one that is `sending`, and a queued single message only by its owner, unless that is dead.
   */
  expireLate(limit: number, how: Expiry): Promise<ExpiredMessage[]>;

  /** The same for one single message. Returns false, and changes nothing, if it is not late, or does not wait. */
  expire(id: string, how: Expiry): Promise<boolean>;
}
