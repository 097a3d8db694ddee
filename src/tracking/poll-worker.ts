import { sleep } from '../lib/sleep.ts';
import { defaultRetryDelays } from '../settings/retry-delays.ts';
import type { DuePoll, PollStore } from '../store/poll-store.ts';
import type { ReadHistory } from '../upstream/history-reader.ts';
import { applyHistory, type HistoryServices } from './history-applier.ts';
import { isMonthSpent, isPolled, nextLook, openMs, type PollMode, planLooks } from './poll-plan.ts';

/** Reads histories where no webhook tells what became of messages: never before anybody else, and no more than a day and a month allow. */
export interface PollWorker {
  start(): void;
  /** Resolves when the read in progress has ended. */
  stop(): Promise<void>;
  /** Webhooks of this connection may have been lost since so long ago: one look at each message that ended since. Never throws. */
  lookSince(connectionId: string, fromMs: number): Promise<void>;
}

export interface PollServices extends HistoryServices {
  store: HistoryServices['store'] & Omit<PollStore, 'countCalls' | 'monthCalls' | 'noteListening'>;
  mode: PollMode;
  /** Reads of one connection in a day. */
  perDay: number;
  monthQuota: number | undefined;
  /** Calls of this month so far, of all kinds. */
  monthCalls: (connectionId: string) => Promise<number>;
  readHistory: ReadHistory;
  /** The company's own number where a message names none. */
  channel?: string | undefined;
  /** Nobody waits for a call, and no message of unknown outcome is to be looked for. */
  isIdle: () => boolean;
  /** Number of replicas; the pause between reads grows with it. */
  replicas: () => number;
  /** Wall clock, ms. */
  now: () => number;
  onRead: () => void;
  /** A pass failed, and will be repeated. */
  onFault: (error: unknown) => void;
  /** See `RetryDelays`. */
  pollEveryMs?: number;
  /** So that tests need not wait. */
  wait?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

const betweenReadsMs = 1_000;
const planEveryMs = 60_000;
const dayMs = 24 * 60 * 60_000;
/** How long a connection is left alone after a failed read, or when its calls are spent. */
const restMs = 10 * 60_000;
const candidatesMax = 5_000;
/** Channels whose histories with a recipient are read in one look. */
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
  /** As of the last plan. */
  #polled: ReadonlySet<string> = new Set();
  /** Until when, by the wall clock. */
  readonly #resting = new Map<string, number>();

  constructor(services: PollServices) {
    this.#services = services;
  }

  /** Returns whether a call was made. */
  async pass(): Promise<boolean> {
    const { store, now, isIdle } = this.#services;
    // The clock may be set back.
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

  /** How many more recipients may be scheduled: no queue is longer than what a day has left. */
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

  /** Reads the histories of a recipient. After a failed read it is due again when its lease ends. */
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
