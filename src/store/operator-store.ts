import type { BroadcastStatus, StoredBroadcast } from './broadcast-store.ts';
import type { ListPage, MessageFilter, StoredMessage } from './message-store.ts';

/**
 * What operators ask of the records of all callers, and what they have stopped. Types only, like message-store.ts, and held to by the
 * same conformance suite.
 */

/** What is stopped. Callers are ids; with `all` the lists are kept and say nothing more. */
export interface Stopped {
  all: boolean;
  callers: readonly string[];
  connections: readonly string[];
}

export interface SendingStop {
  stopped: Stopped;
  reason: string;
  /** Id of the caller who said so. */
  changedBy: string;
  /** ISO 8601 UTC of the wall clock. */
  changedAt: string;
}

/** What of a caller has not ended. */
export interface CallerWork {
  caller: string;
  /** Recipients of its broadcasts included; single sends are counted up to 1,000. */
  queued: number;
  /** Counted up to 1,000. */
  sending: number;
  /** When its newest single send or broadcast was recorded, ISO 8601. */
  lastRecordedAt?: string;
}

/** How many broadcasts are running or paused, of one caller over one connection. */
export interface OpenBroadcasts {
  caller: string;
  connectionId: string;
  status: Extract<BroadcastStatus, 'running' | 'paused'>;
  count: number;
}

export interface AllBroadcastsFilter {
  caller?: string;
  status?: Exclude<BroadcastStatus, 'recording'>;
}

export interface OperatorStore {
  /** The last word of an operator on sending; undefined: there is none. Cheap: every replica asks each second. */
  findSendingStop(): Promise<SendingStop | undefined>;
  /** Replaces the last word as a whole; of two at once, the later one stands whole. Answers it as it stands. */
  stopSending(stop: Omit<SendingStop, 'changedAt'>): Promise<SendingStop>;

  /** Ids of all callers that have records. Costs one step of an index for each, however many records there are. */
  listCallers(): Promise<string[]>;
  /** One entry for each of them, in any order. */
  summarizeWork(callers: readonly string[]): Promise<CallerWork[]>;
  countOpenBroadcasts(): Promise<OpenBroadcasts[]>;

  /**
   * As `list`, of these callers together; reads a page of each at most. A broadcast that is named is asked of its caller alone.
   */
  listMessagesOf(
    callers: readonly string[],
    filter: MessageFilter,
    page: ListPage,
  ): Promise<{ messages: StoredMessage[]; next?: string }>;
  /** As `listBroadcasts`, of all callers. */
  listAllBroadcasts(
    filter: AllBroadcastsFilter,
    page: ListPage,
  ): Promise<{ broadcasts: StoredBroadcast[]; next?: string }>;

  /** As `changeBroadcastStatus`, whoever the caller is. */
  changeAnyBroadcastStatus(id: string, to: 'paused' | 'running' | 'cancelled'): Promise<StoredBroadcast | undefined>;
  /**
   * `queued` -> `cancelled`, of at most `limit` single sends of this caller, oldest first, whichever process has them. Answers
   * how many: fewer than `limit` when none is left.
   */
  cancelQueued(caller: string, limit: number): Promise<number>;
  /** Running and paused broadcasts of this caller -> `cancelled`. Answers how many. */
  cancelBroadcasts(caller: string): Promise<number>;
}
