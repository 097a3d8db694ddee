import { sleep } from '../lib/sleep.ts';
import { defaultRetryDelays } from '../settings/retry-delays.ts';
import type { DuePoll, PollStore } from '../store/poll-store.ts';
import type { ReadHistory } from '../upstream/history-reader.ts';
import { applyHistory, type HistoryServices } from './history-applier.ts';
import { isMonthSpent, isPolled, nextLook, openMs, type PollMode, planLooks } from './poll-plan.ts';

/**
 * Reads histories of recipients whose messages no webhook reports on. Polls have the lowest priority of all calls, and limits
 * per day and month.
 */
export interface PollWorker {
  start(): void;
  /** Resolves when the read in progress has ended. */
  stop(): Promise<void>;
  /**
   * Webhooks of this connection may have been lost: schedules one read for each recipient whose message ended in the last
   * `fromMs`. Never throws.
   */
  lookSince(connectionId: string, fromMs: number): Promise<void>;
}

export interface PollServices extends HistoryServices {
  store: HistoryServices['store'] & Omit<PollStore, 'countCalls' | 'monthCalls' | 'noteListening'>;
  mode: PollMode;
  /** Reads per day for one connection. */
  perDay: number;
  monthQuota: number | undefined;
  /** Calls of this month so far, of all kinds. */
  monthCalls: (connectionId: string) => Promise<number>;
  readHistory: ReadHistory;
  /** The company's own number for messages that name none. */
  channel?: string | undefined;
  /** Whether no call is waiting for a permit, and no unknown message is due for reconciliation. */
  isIdle: () => boolean;
  /** Number of replicas. The pause between reads is multiplied by it. */
  replicas: () => number;
  /** Wall clock, ms. */
  now: () => number;
  onRead: () => void;
  /** A pass failed; it will be repeated. */
  onFault: (error: unknown) => void;
  /** See `RetryDelays`. */
  pollEveryMs?: number;
  /** The source of time, an argument so that tests need not wait. */
  wait?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

const betweenReadsMs = 1_000;
const planEveryMs = 60_000;
const dayMs = 24 * 60 * 60_000;
/** How long a connection is not polled after a failed read, or when its calls are used up. */
const restMs = 10 * 60_000;
const candidatesMax = 5_000;
/** The most company numbers whose histories with one recipient are read for one poll. */
const channelsMax = 3;

export function createPollWorker(services: PollServices): PollWorker {
  const { mode, pollEveryMs = defaultRetryDelays.pollEveryMs, wait = sleep, onFault } = services;
  const stopping = new AbortController();
  const poller = new Poller(services);
  let running: Promise<void> | undefined;

  const run = async () => {
    while (!stopping.signal.aborted) {
      let hasRead = false;
      try {
        hasRead = await poller.pass();
      } catch (error) {
        onFault(error);
      }
      const ms = hasRead ? betweenReadsMs * Math.max(1, services.replicas()) : pollEveryMs;
      await wait(ms, stopping.signal);
    }
  };

  return {
    start: () => {
      if (mode !== 'off') running ??= run();
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
    lookSince: async (connectionId, fromMs) => {
      if (mode !== 'off') await poller.lookSince(connectionId, fromMs).catch(onFault);
    },
  };
}

class Poller {
  readonly #services: PollServices;
  #plannedAt = Number.NEGATIVE_INFINITY;
  /** Result of the last plan. */
  #polled: ReadonlySet<string> = new Set();
  /** Wall clock: when each pause ends. */
  readonly #resting = new Map<string, number>();

  constructor(services: PollServices) {
    this.#services = services;
  }

  /** Returns whether it made a call. */
  async pass(): Promise<boolean> {
    const { store, now, isIdle } = this.#services;
    // Bounded, because the wall clock may be set back.
    if (Math.abs(now() - this.#plannedAt) >= planEveryMs) await this.#plan();
    if (!isIdle()) return false;
    for (const [connectionId, until] of this.#resting) {
      if (now() >= until || until - now() > restMs) this.#resting.delete(connectionId);
    }
    const [due] = await store.duePolls([...this.#resting.keys()], 1);
    return due !== undefined && (await this.#look(due));
  }

  async lookSince(connectionId: string, fromMs: number): Promise<void> {
    const { store } = this.#services;
    const room = await this.#room(connectionId);
    if (room === 0) return;
    const missed = await store.openRecipients(connectionId, { fromMs, untilMs: 0 }, room);
    await store.schedulePolls(missed.map(({ recipient }) => ({ connectionId, recipient, inMs: 0 })));
  }

  async #plan(): Promise<void> {
    const { store, mode, now } = this.#services;
    const sending = await store.sendingConnections();
    const polled = sending.filter((each) => isPolled(mode, each)).map(({ connectionId }) => connectionId);
    this.#polled = new Set(polled);
    for (const connectionId of polled) {
      const room = await this.#room(connectionId);
      const open = await store.openRecipients(connectionId, { fromMs: dayMs, untilMs: 0 }, candidatesMax);
      await store.schedulePolls(planLooks(open, room).map((look) => ({ connectionId, ...look })));
    }
    this.#plannedAt = now();
  }

  /** How many more recipients may be scheduled. The queue is never longer than the reads that are left for the day. */
  async #room(connectionId: string): Promise<number> {
    const { store, perDay } = this.#services;
    if (await this.#isMonthSpent(connectionId)) return 0;
    const { spent, scheduled } = await store.pollLoad(connectionId);
    return Math.min(candidatesMax, Math.max(0, perDay - spent - scheduled));
  }

  async #isMonthSpent(connectionId: string): Promise<boolean> {
    const { monthQuota, monthCalls } = this.#services;
    return monthQuota !== undefined && isMonthSpent(await monthCalls(connectionId), monthQuota);
  }

  /** Reads the histories of a recipient. After a failed read the recipient is due again when its lease ends. */
  async #look(due: DuePoll): Promise<boolean> {
    const { store } = this.#services;
    const { connectionId, recipient } = due;
    const open = await store.openSends(connectionId, recipient, openMs);
    const channels = [...new Set(open.map(({ channel }) => channel ?? this.#services.channel))];
    for (const channel of channels.slice(0, channelsMax)) {
      if (!(await this.#read({ connectionId, recipient, channel }))) {
        this.#resting.set(connectionId, this.#services.now() + restMs);
        return true;
      }
    }
    const [last] = open.length === 0 ? [] : await store.openSends(connectionId, recipient, openMs);
    const next = last && this.#polled.has(connectionId) ? nextLook(last.endedMsAgo) : undefined;
    await store.pollDone(due, next);
    return open.length > 0;
  }

  /** Returns whether there was an answer. */
  async #read(ask: { connectionId: string; recipient: string; channel: string | undefined }): Promise<boolean> {
    const { store, perDay, readHistory, onRead, now } = this.#services;
    const { connectionId, recipient } = ask;
    if ((await this.#isMonthSpent(connectionId)) || !(await store.spendPoll(connectionId, perDay))) return false;
    onRead();
    const rows = await readHistory(ask);
    if (rows === undefined) return false;
    await applyHistory(rows, { connectionId, recipient, readAtMs: now() }, this.#services);
    return true;
  }
}
