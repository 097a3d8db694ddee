import { takePermit } from '../src/budget/gcra.ts';
import { Problem } from '../src/problem.ts';

/** Permits of a caller that all replicas take from one store (src/store/message-store.ts has the same words). */
export interface PermitSource {
  takePermits(
    caller: string,
    ask: { perSecond: number; burst: number; most: number; owed: number },
  ): Promise<{ granted: number; waitMs: number; replicas: number }>;
}

type Done = (refused?: Problem) => void;

/**
 * A caller's own limit: `ratePerSecond`, with a burst of one second's worth. Without a source it is counted
 * here, and `done` is called before it returns.
 */
export function createCallerLimit(source?: PermitSource, clock = () => performance.now()) {
  const limits = new Map<string, Limit>();
  const limitOf = (name: string, perSecond: number): Limit => {
    const known = limits.get(name);
    // The callers file may change while we run.
    if (known?.perSecond === perSecond) return known;
    const made =
      source === undefined ? new OwnLimit(perSecond, clock) : new SharedLimit(source, name, perSecond, clock);
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
  /** A request that has passed costs one more than was taken for it: the caller's next ones wait for that. */
  const charge = (name: string, perSecond: number) => limitOf(name, perSecond).charge();
  return Object.assign(ask, { charge });
}

interface Limit {
  readonly perSecond: number;
  /** 0: it may pass; otherwise it is refused, and another one could pass after so many ms. */
  take(): number | Promise<number>;
  /** Takes one off, whether there is one or not. */
  charge(): void;
}

const burstOf = (perSecond: number): number => Math.max(1, perSecond);

class OwnLimit implements Limit {
  readonly perSecond: number;
  readonly #clock: () => number;
  #tat: number;

  constructor(perSecond: number, clock: () => number, tat = 0) {
    this.perSecond = perSecond;
    this.#clock = clock;
    this.#tat = tat;
  }

  /** Nothing left of its burst. */
  static spent(perSecond: number, clock: () => number): OwnLimit {
    return new OwnLimit(perSecond, clock, clock() + (burstOf(perSecond) * 1000) / perSecond);
  }

  /** How many of its burst are spent now. */
  get spent(): number {
    return (Math.max(0, this.#tat - this.#clock()) * this.perSecond) / 1000;
  }

  charge(): void {
    const now = this.#clock();
    this.#tat = Math.min(Math.max(this.#tat, now) + 1000 / this.perSecond, now + DEBT_MAX_MS);
  }

  take(): number {
    const rate = { perSecond: this.perSecond, burst: burstOf(this.perSecond) };
    const { tat, waitMs } = takePermit(this.#tat, this.#clock(), rate);
    this.#tat = tat;
    return waitMs;
  }
}

/** However much was charged, a caller is heard again after so long. */
const DEBT_MAX_MS = 60_000;
/** Permits taken in advance are good for so long, and then lost: by so much may replicas let pass at the wrong time. */
const KEEP_MS = 200;
/** Of a second's worth, so much may be taken in advance. */
const AHEAD_SHARE = 0.1;
/** A source that takes longer is one that fails. */
const PATIENCE_MS = 500;
const RETRY_MS = 1_000;

/**
 * One question at a time: whoever comes meanwhile waits for the next one, which is for all of them and for as many more as
 * came since the last one. So a busy caller costs a few questions a second, and a slow one a question for each request.
 * While the source fails: our share, of at least two, which begins with nothing.
 */
class SharedLimit implements Limit {
  readonly perSecond: number;
  readonly #source: PermitSource;
  readonly #name: string;
  readonly #clock: () => number;
  readonly #waiting: ((waitMs: number) => void)[] = [];
  #asking = false;
  #asked = { at: Number.NEGATIVE_INFINITY, arrivals: 0 };
  #kept = { permits: 0, until: Number.NEGATIVE_INFINITY };
  #emptyUntil = Number.NEGATIVE_INFINITY;
  #replicas = 1;
  /** Charged, and not yet taken off by the source; `at`: when it was charged last. */
  #debt = { permits: 0, at: 0 };
  #failing: { share: OwnLimit; retryAt: number } | undefined;

  constructor(source: PermitSource, name: string, perSecond: number, clock: () => number) {
    this.#source = source;
    this.#name = name;
    this.perSecond = perSecond;
    this.#clock = clock;
  }

  charge(): void {
    this.#failing?.share.charge();
    if (this.#failing) return;
    if (this.#kept.permits > 0) this.#kept.permits -= 1;
    else {
      const most = (this.perSecond * DEBT_MAX_MS) / 1000;
      this.#debt = { permits: Math.max(1, Math.min(this.#debt.permits + 1, most)), at: this.#clock() };
    }
  }

  take(): number | Promise<number> {
    this.#asked.arrivals += 1;
    const known = this.#known();
    if (known !== undefined) return known;
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#ask();
    });
  }

  /** `undefined`: the source has to be asked. */
  #known(): number | undefined {
    const now = this.#clock();
    if (this.#failing) {
      if (now >= this.#failing.retryAt) this.#ask();
      return this.#failing.share.take();
    }
    if (this.#kept.permits > 0 && now < this.#kept.until) {
      this.#kept.permits -= 1;
      return 0;
    }
    return now < this.#emptyUntil ? this.#emptyUntil - now : undefined;
  }

  #ask(): void {
    if (this.#asking) return;
    this.#asking = true;
    const now = this.#clock();
    const recent = now < this.#asked.at + KEEP_MS ? this.#asked.arrivals : 0;
    this.#asked = { at: now, arrivals: 0 };
    const batch = this.#waiting.splice(0);
    const burst = burstOf(this.perSecond);
    const most = Math.min(Math.floor(burst), batch.length + Math.min(recent, Math.floor(this.perSecond * AHEAD_SHARE)));
    const unasked = this.#failing?.share.spent ?? 0;
    // Who rested for as long as it takes to earn it back owes nothing any more.
    if (now - this.#debt.at >= ((this.#debt.permits + burst) * 1000) / this.perSecond) this.#debt.permits = 0;
    const owed = Math.min(burst, unasked + this.#debt.permits);
    const paid = Math.max(0, owed - unasked);
    this.#debt.permits -= paid;
    const ask = { perSecond: this.perSecond, burst, most, owed };
    let answered = false;
    const end = (then: () => void) => {
      if (answered) return; // too late: those permits are lost
      answered = true;
      clearTimeout(patience);
      this.#asking = false;
      then();
      this.#goOn();
    };
    const fail = () =>
      end(() => {
        this.#debt.permits += paid;
        this.#fail(batch);
      });
    const patience = setTimeout(fail, PATIENCE_MS);
    this.#source
      .takePermits(this.#name, ask)
      .then(
        ({ granted, waitMs, replicas }) => end(() => this.#answer(batch, now, { granted, waitMs, replicas })),
        fail,
      );
  }

  /** With those who came while we asked. */
  #goOn(): void {
    for (let [tell] = this.#waiting; tell; [tell] = this.#waiting) {
      const known = this.#known();
      if (known === undefined) {
        this.#ask();
        return;
      }
      this.#waiting.shift();
      tell(known);
    }
  }

  #answer(
    batch: ((waitMs: number) => void)[],
    asked: number,
    { granted, waitMs, replicas }: { granted: number; waitMs: number; replicas: number },
  ): void {
    this.#failing = undefined;
    this.#replicas = replicas;
    this.#kept = { permits: Math.max(0, granted - batch.length), until: asked + KEEP_MS };
    this.#emptyUntil = this.#clock() + waitMs;
    for (const [at, tell] of batch.entries()) tell(at < granted ? 0 : Math.max(1, waitMs));
  }

  #fail(batch: ((waitMs: number) => void)[]): void {
    const share = this.#failing?.share ?? OwnLimit.spent(this.perSecond / Math.max(2, this.#replicas), this.#clock);
    this.#failing = { share, retryAt: this.#clock() + RETRY_MS };
    for (const tell of batch) tell(share.take());
  }
}
