import { Problem } from '../problem.ts';
import type { CallerTokenStore } from '../store/coordination-store.ts';
import { acquire } from './gcra.ts';

type Done = (refused?: Problem) => void;

/**
 * A caller's own limit: `ratePerSecond` with a burst of one second's worth. Without a store it is counted in this process, and
 * `done` is called before it returns.
 */
export function createCallerLimiter(source?: CallerTokenStore, clock = () => performance.now()) {
  const limits = new Map<string, Limit>();
  const limitOf = (name: string, perSecond: number): Limit => {
    const known = limits.get(name);
    // Read anew each time, because the callers file may change while the service runs.
    if (known?.perSecond === perSecond) return known;
    const made =
      source === undefined ? new LocalLimit(perSecond, clock) : new SharedLimit({ source, name, perSecond, clock });
    limits.set(name, made);
    return made;
  };
  const ask = (name: string, perSecond: number | undefined, done: Done) => {
    if (perSecond === undefined) return done();
    const limit = limitOf(name, perSecond);
    const told = (waitMs: number) => {
      if (waitMs === 0) return done();
      const detail = `your own limit of ${perSecond} requests a second is spent`;
      done(new Problem('rate-limited', detail, { retryAfterS: Math.ceil(waitMs / 1000) }));
    };
    const waitMs = limit.take();
    if (typeof waitMs === 'number') told(waitMs);
    else void waitMs.then(told);
  };
  /** Charges one more token for a request that was admitted. The caller's next requests pay for it. */
  const charge = (name: string, perSecond: number) => limitOf(name, perSecond).charge();
  return Object.assign(ask, { charge });
}

interface Limit {
  readonly perSecond: number;
  /** 0: the request is admitted; otherwise it is refused, and one would be admitted after this many ms. */
  take(): number | Promise<number>;
  /** Takes a token even if none is left, as a debt. */
  charge(): void;
}

const burstOf = (perSecond: number): number => Math.max(1, perSecond);

class LocalLimit implements Limit {
  readonly perSecond: number;
  readonly #clock: () => number;
  #arrivalTime: number;

  constructor(perSecond: number, clock: () => number, arrivalTime = 0) {
    this.perSecond = perSecond;
    this.#clock = clock;
    this.#arrivalTime = arrivalTime;
  }

  /** The limit without a burst. */
  static spent(perSecond: number, clock: () => number): LocalLimit {
    return new LocalLimit(perSecond, clock, clock() + (burstOf(perSecond) * 1000) / perSecond);
  }

  /** The share of the burst that is in use. */
  get spent(): number {
    return (Math.max(0, this.#arrivalTime - this.#clock()) * this.perSecond) / 1000;
  }

  charge(): void {
    const now = this.#clock();
    this.#arrivalTime = Math.min(Math.max(this.#arrivalTime, now) + 1000 / this.perSecond, now + DEBT_MAX_MS);
  }

  take(): number {
    const rate = { perSecond: this.perSecond, burst: burstOf(this.perSecond) };
    const { arrivalTime, waitMs } = acquire(this.#arrivalTime, this.#clock(), rate);
    this.#arrivalTime = arrivalTime;
    return waitMs;
  }
}

/** The longest time for which a debt blocks a caller. */
const DEBT_MAX_MS = 60_000;
/** Prefetched tokens expire after this. Replicas admit requests late by at most this. */
const PREFETCH_TTL_MS = 200;
/** The share of a second's worth that may be prefetched. */
const PREFETCH_SHARE = 0.1;
/** A store that takes longer counts as failed. */
const STORE_TIMEOUT_MS = 500;
const RETRY_MS = 1_000;

interface SharedLimitOptions {
  source: CallerTokenStore;
  name: string;
  perSecond: number;
  clock: () => number;
}

/**
 * One store request at a time. Requests that arrive meanwhile wait for the next one, which takes tokens for all of them and
 * prefetches as many as came since the last one. A busy caller costs a few store requests a second, a slow one a request each. While
 * the store fails, the limit is divided by the number of replicas (at least two), and there is no burst.
 */
class SharedLimit implements Limit {
  readonly perSecond: number;
  readonly #store: CallerTokenStore;
  readonly #name: string;
  readonly #clock: () => number;
  readonly #queue: ((waitMs: number) => void)[] = [];
  #isFetching = false;
  #lastFetch = { at: Number.NEGATIVE_INFINITY, arrivals: 0 };
  #prefetched = { permits: 0, until: Number.NEGATIVE_INFINITY };
  #emptyUntil = Number.NEGATIVE_INFINITY;
  #replicas = 1;
  /** Tokens that were charged and not yet taken from the store; `at`: when tokens were last charged. */
  #debt = { permits: 0, at: 0 };
  #fallback: { share: LocalLimit; retryAt: number } | undefined;

  constructor({ source, name, perSecond, clock }: SharedLimitOptions) {
    this.#store = source;
    this.#name = name;
    this.perSecond = perSecond;
    this.#clock = clock;
  }

  charge(): void {
    this.#fallback?.share.charge();
    if (this.#fallback) return;
    if (this.#prefetched.permits > 0) this.#prefetched.permits -= 1;
    else {
      const most = (this.perSecond * DEBT_MAX_MS) / 1000;
      this.#debt = { permits: Math.max(1, Math.min(this.#debt.permits + 1, most)), at: this.#clock() };
    }
  }

  take(): number | Promise<number> {
    this.#lastFetch.arrivals += 1;
    const known = this.#takeKnown();
    if (known !== undefined) return known;
    return new Promise((resolve) => {
      this.#queue.push(resolve);
      this.#requestTokens();
    });
  }

  /** `undefined`: the store has to be asked. */
  #takeKnown(): number | undefined {
    const now = this.#clock();
    if (this.#fallback) {
      if (now >= this.#fallback.retryAt) this.#requestTokens();
      return this.#fallback.share.take();
    }
    if (this.#prefetched.permits > 0 && now < this.#prefetched.until) {
      this.#prefetched.permits -= 1;
      return 0;
    }
    return now < this.#emptyUntil ? this.#emptyUntil - now : undefined;
  }

  #requestTokens(): void {
    if (this.#isFetching) return;
    this.#isFetching = true;
    const now = this.#clock();
    const recent = now < this.#lastFetch.at + PREFETCH_TTL_MS ? this.#lastFetch.arrivals : 0;
    this.#lastFetch = { at: now, arrivals: 0 };
    const batch = this.#queue.splice(0);
    const burst = burstOf(this.perSecond);
    const maxTokens = Math.min(
      Math.floor(burst),
      batch.length + Math.min(recent, Math.floor(this.perSecond * PREFETCH_SHARE)),
    );
    const unasked = this.#fallback?.share.spent ?? 0;
    // A caller that was idle for as long as its debt takes to be repaid owes nothing.
    if (now - this.#debt.at >= ((this.#debt.permits + burst) * 1000) / this.perSecond) this.#debt.permits = 0;
    const debt = Math.min(burst, unasked + this.#debt.permits);
    const paid = Math.max(0, debt - unasked);
    this.#debt.permits -= paid;
    const ask = { perSecond: this.perSecond, burst, maxTokens, debt };
    let answered = false;
    const end = (then: () => void) => {
      if (answered) return; // too late: these tokens are lost
      answered = true;
      clearTimeout(patience);
      this.#isFetching = false;
      then();
      this.#drainQueue();
    };
    const fail = () =>
      end(() => {
        this.#debt.permits += paid;
        this.#startFallback(batch);
      });
    const patience = setTimeout(fail, STORE_TIMEOUT_MS);
    this.#store
      .takeTokens(this.#name, ask)
      .then(
        ({ granted, waitMs, replicas }) => end(() => this.#distribute(batch, now, { granted, waitMs, replicas })),
        fail,
      );
  }

  /** Requests that arrived during the store request. */
  #drainQueue(): void {
    for (let [tell] = this.#queue; tell; [tell] = this.#queue) {
      const known = this.#takeKnown();
      if (known === undefined) {
        this.#requestTokens();
        return;
      }
      this.#queue.shift();
      tell(known);
    }
  }

  #distribute(
    batch: ((waitMs: number) => void)[],
    asked: number,
    { granted, waitMs, replicas }: { granted: number; waitMs: number; replicas: number },
  ): void {
    this.#fallback = undefined;
    this.#replicas = replicas;
    this.#prefetched = { permits: Math.max(0, granted - batch.length), until: asked + PREFETCH_TTL_MS };
    this.#emptyUntil = this.#clock() + waitMs;
    for (const [at, tell] of batch.entries()) tell(at < granted ? 0 : Math.max(1, waitMs));
  }

  #startFallback(batch: ((waitMs: number) => void)[]): void {
    const share = this.#fallback?.share ?? LocalLimit.spent(this.perSecond / Math.max(2, this.#replicas), this.#clock);
    this.#fallback = { share, retryAt: this.#clock() + RETRY_MS };
    for (const tell of batch) tell(share.take());
  }
}
