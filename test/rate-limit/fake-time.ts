/** A clock that stands still between events, and timers that come as late as `lateMs` says. */
export class FakeTime {
  now: number;
  readonly #lateMs: () => number;
  #events: { at: number; run: () => void }[] = [];

  constructor(lateMs: () => number = () => 0, now = 5_000) {
    this.#lateMs = lateMs;
    this.now = now;
  }

  readonly clock = (): number => this.now;

  readonly setTimer = (run: () => void, ms: number): (() => void) => this.at(this.now + ms + this.#lateMs(), run);

  at(at: number, run: () => void): () => void {
    const event = { at, run };
    this.#events.push(event);
    return () => {
      this.#events = this.#events.filter((each) => each !== event);
    };
  }

  /** Lets time run on; after each event, everything that promised something has its turn. */
  async runUntil(until: number): Promise<void> {
    await settled();
    for (;;) {
      const next = this.#events.reduce((a, b) => (b.at < a.at ? b : a), {
        at: Number.POSITIVE_INFINITY,
        run: () => {},
      });
      if (next.at > until) break;
      this.#events.splice(this.#events.indexOf(next), 1);
      this.now = Math.max(this.now, next.at);
      next.run();
      await settled();
    }
    this.now = Math.max(this.now, until);
  }

  run(ms: number): Promise<void> {
    return this.runUntil(this.now + ms);
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 6; turn++) await undefined;
}

/** Repeatable chance, 0 <= x < 1. */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The most that any stretch of `spanMs` holds. */
export function densest(times: readonly number[], spanMs: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  let from = 0;
  let most = 0;
  for (const [index, time] of sorted.entries()) {
    while ((sorted[from] ?? time) <= time - spanMs) from++;
    most = Math.max(most, index - from + 1);
  }
  return most;
}
