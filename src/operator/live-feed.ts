import { sleep } from '../lib/sleep.ts';
import type { OperatorBroadcast, Overview } from '../schemas/operator.ts';
import type { BudgetPoint } from '../schemas/operator-live.ts';

/** Reads the states that streams to operators contain. */
export interface LiveSource {
  /** Broadcasts that have not ended, newest first. */
  openBroadcasts(): Promise<OperatorBroadcast[]>;
  broadcasts(ids: readonly string[]): Promise<OperatorBroadcast[]>;
  overview(): Promise<Overview>;
  lastPoint(): BudgetPoint | undefined;
}

interface FeedServices {
  source: LiveSource;
  onFault: (error: unknown) => void;
  /** Monotonic milliseconds. */
  clock?: () => number;
  wait?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

const lookEveryMs = 1_000;
const overviewEveryMs = 5_000;
/** Pause after reads, as a multiple of their duration, so that they take at most a tenth of the time. */
const restFactor = 10;
const restAfterFaultMs = 5_000;
/** Maximum number of ended broadcasts that are kept. */
const endedMax = 100;

/**
 * Holds the newest state of everything that operators follow. Each state is read once for all listeners, and not at all without
 * listeners. A listener asks for changes since its last portion, so a slow one skips states.
 */
export class LiveFeed {
  readonly #source: LiveSource;
  readonly #onFault: (error: unknown) => void;
  readonly #clock: () => number;
  readonly #wait: (ms: number, signal: AbortSignal) => Promise<unknown>;
  readonly #closing = new AbortController();
  readonly #frames = new Map<string, { version: number; frame: string }>();
  readonly #open = new Set<string>();
  readonly #ended: string[] = [];
  readonly #waiting = new Set<() => void>();
  #version = 0;
  #listeners = 0;
  #running: Promise<void> | undefined;
  #overviewAt = Number.NEGATIVE_INFINITY;

  constructor({ source, onFault, clock = () => performance.now(), wait = sleep }: FeedServices) {
    this.#source = source;
    this.#onFault = onFault;
    this.#clock = clock;
    this.#wait = wait;
  }

  get isReleased(): boolean {
    return this.#closing.signal.aborted;
  }

  get listeners(): number {
    return this.#listeners;
  }

  /** Adds a listener. Call `leave` afterwards. */
  join(): void {
    this.#listeners += 1;
    this.#running ??= this.#run();
  }

  leave(): void {
    this.#listeners -= 1;
  }

  /** Returns the changes since a version as server-sent events; empty: none. Version 0 returns the whole state. */
  since(version: number): { frames: string; version: number } {
    const newer = [...this.#frames.values()].filter((each) => each.version > version);
    const frames = newer.toSorted((a, b) => a.version - b.version).map(({ frame }) => frame);
    return { frames: frames.join(''), version: this.#version };
  }

  /** Resolves when there may be something new, at the latest after `ms`. */
  next(ms: number): Promise<void> {
    if (this.isReleased) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => wake(), ms).unref();
    const wake = () => {
      clearTimeout(timer);
      this.#waiting.delete(wake);
      resolve();
    };
    this.#waiting.add(wake);
    return promise;
  }

  /** Ends all streams. Resolves when no read is in progress. */
  async release(): Promise<void> {
    this.#closing.abort();
    this.#wakeAll();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#listeners > 0 && !this.isReleased) {
      const asked = this.#clock();
      const restMs = await this.#look().then(
        () => Math.max(lookEveryMs, restFactor * (this.#clock() - asked)),
        (error: unknown) => {
          this.#onFault(error);
          return restAfterFaultMs;
        },
      );
      this.#wakeAll();
      await this.#wait(restMs, this.#closing.signal);
    }
    // The next listener must not get an outdated state.
    this.#frames.clear();
    this.#open.clear();
    this.#ended.length = 0;
    this.#overviewAt = Number.NEGATIVE_INFINITY;
    this.#running = undefined;
  }

  async #look(): Promise<void> {
    const open = await this.#source.openBroadcasts();
    const ids = new Set(open.map(({ id }) => id));
    const gone = [...this.#open].filter((id) => !ids.has(id));
    const ended = gone.length === 0 ? [] : await this.#source.broadcasts(gone);
    for (const broadcast of [...open, ...ended]) this.#put('broadcast', broadcast.id, broadcast);
    const known = new Set(ended.map(({ id }) => id));
    for (const id of gone) {
      // The import of a broadcast that was recording has failed.
      if (!known.has(id)) this.#frames.delete(`broadcast ${id}`);
      if (!known.has(id)) this.#put('broadcast-gone', id, { id });
      this.#end(id);
    }
    for (const id of ids) this.#open.add(id);
    const point = this.#source.lastPoint();
    if (point) this.#put('budget', '', point);
    if (this.#clock() - this.#overviewAt < overviewEveryMs) return;
    this.#overviewAt = this.#clock();
    this.#put('overview', '', await this.#source.overview());
  }

  #put(event: 'broadcast' | 'broadcast-gone' | 'budget' | 'overview', id: string, data: object): void {
    const name = `${event} ${id}`;
    const frame = `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    if (this.#frames.get(name)?.frame === frame) return;
    this.#version += 1;
    this.#frames.set(name, { version: this.#version, frame });
  }

  #end(id: string): void {
    this.#open.delete(id);
    this.#ended.push(id);
    if (this.#ended.length <= endedMax) return;
    const oldest = this.#ended.shift();
    for (const event of ['broadcast', 'broadcast-gone']) this.#frames.delete(`${event} ${oldest}`);
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

/** Delay before a client reconnects after the end of a stream. */
const retryMs = 5_000;
/** A comment is sent after this silence, because proxies close idle connections. */
const silenceMaxMs = 15_000;
/** A client that takes longer to read one portion is disconnected, and reconnects. */
const slowMs = 10_000;

interface LiveStream {
  feed: LiveFeed;
  /** Returns whether the listener may still read. */
  mayListen: () => boolean;
  isOver: () => boolean;
  clock?: () => number;
}

/** Yields the events of one listener (WHATWG server-sent events): first the present state, then changes. */
export async function* liveStream({ feed, mayListen, isOver, clock = () => performance.now() }: LiveStream) {
  feed.join();
  try {
    let seen = 0;
    let saidAt = clock();
    yield `retry: ${retryMs}\n\n`;
    while (!feed.isReleased && !isOver() && mayListen()) {
      const { frames, version } = feed.since(seen);
      const silentMs = clock() - saidAt;
      if (frames === '' && silentMs < silenceMaxMs) {
        await feed.next(silenceMaxMs - silentMs);
        continue;
      }
      seen = version;
      const startedAt = clock();
      yield frames === '' ? ': keep-alive\n\n' : frames;
      saidAt = clock();
      if (saidAt - startedAt > slowMs) return;
    }
  } finally {
    feed.leave();
  }
}
