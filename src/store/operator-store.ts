import type { BroadcastStatus, StoredBroadcast } from './broadcast-store.ts';
import type { ListPage, MessageFilter, StoredMessage } from './message-store.ts';

/** What operators see and change across all callers. Types only, like message-store.ts. */

/** With `all`, the lists are kept and have no effect. */
export interface Stopped {
  all: boolean;
  callers: readonly string[];
  connections: readonly string[];
}

export interface SendingStop {
  stopped: Stopped;
  reason: string;
  /** The id of the operator's caller entry. */
  changedBy: string;
  /** ISO 8601 UTC of the wall clock. */
  changedAt: string;
}

export interface CallerWork {
  caller: string;
  /** Includes scheduled messages and recipients of its broadcasts. Single sends are counted up to 1,000. */
  queued: number;
  /** Counted up to 1,000. */
  sending: number;
  /** When its newest single send or broadcast was recorded, ISO 8601. */
  lastRecordedAt?: string;
}

export interface OpenBroadcasts {
  caller: string;
  connectionId: string;
  status: Extract<BroadcastStatus, 'scheduled' | 'running' | 'paused'>;
  count: number;
}

export interface AllBroadcastsFilter {
  caller?: string;
  status?: BroadcastStatus;
}

export interface OperatorStore {
  /** The stop in effect, if an operator ever set one. Cheap, because each replica calls it every second. */
  findSendingStop(): Promise<SendingStop | undefined>;
  /** Replaces the whole stop, also if two are set at the same time. Returns the one in effect. */
  stopSending(stop: Omit<SendingStop, 'changedAt'>): Promise<SendingStop>;

  /** Ids of all callers that have records. One index lookup per caller. */
  listCallers(): Promise<string[]>;
  /** One entry per caller, in any order. */
  summarizeWork(callers: readonly string[]): Promise<CallerWork[]>;
  countOpenBroadcasts(): Promise<OpenBroadcasts[]>;

  /** Like `list`, for several callers; reads at most a page of each. With a `broadcastId`, only that of its caller. */
  listMessagesOf(
    callers: readonly string[],
    filter: MessageFilter,
    page: ListPage,
  ): Promise<{ messages: StoredMessage[]; next?: string }>;
  /** Like `listBroadcasts`, for all callers. */
  listAllBroadcasts(
    filter: AllBroadcastsFilter,
    page: ListPage,
  ): Promise<{ broadcasts: StoredBroadcast[]; next?: string }>;

  /** Like `changeBroadcastStatus` by an operator, for any caller's broadcast. */
  changeAnyBroadcastStatus(id: string, to: 'paused' | 'running' | 'cancelled'): Promise<StoredBroadcast | undefined>;
  /**
   * `queued` -> `cancelled` for at most `limit` single messages of this caller, of any owner, oldest first, scheduled ones last.
   * Returns how many: fewer than `limit` when none is left.
   */
  cancelQueued(caller: string, limit: number): Promise<number>;
  /** Scheduled, running and paused broadcasts of this caller -> `cancelled`. Returns how many. */
  cancelBroadcasts(caller: string): Promise<number>;
}
