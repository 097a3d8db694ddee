/** A pool counts pieces (uploads, streams, connections) or bytes (bodies, answers). */
export interface PoolOptions {
  /** The name in metrics and problem details, such as `uploads`. */
  readonly name: string;
  /** The total amount. Read on each use, because some pools shrink under load. */
  readonly size: () => number;
  /** The share of the pool that one holder may have while others are active, 0 to 1; a quarter by default. */
  readonly share?: number;
  /** The share of a holder that is the only active one; half by default, so that there is capacity for the next. */
  readonly alone?: number;
  /** Steady milliseconds. */
  readonly clock?: () => number;
}

/** Why `take` was refused: the pool is full, or the holder has used its share. */
export type PoolRefusal = 'pool-full' | 'share-spent';

/** Returns what was taken. Further calls do nothing. */
export type Release = () => void;

/** A pool's state, for metrics. */
export interface PoolReading {
  readonly name: string;
  readonly size: number;
  readonly used: number;
  readonly holders: number;
  readonly refused: Readonly<Record<PoolRefusal, number>>;
}

/** For this long, a holder that was refused or released its last piece still counts as active. */
const ASKING_MS = 10_000;

/**
 * A limited resource that all callers share. While several are active, no holder may have more than a share of it, and a single
 * one leaves capacity for the next. Taking and releasing cost a map lookup.
 */
export class SharedPool {
  readonly name: string;
  readonly #size: () => number;
  readonly #share: number;
  readonly #alone: number;
  readonly #clock: () => number;
  readonly #takenBy = new Map<string, number>();
  /** Active holders, and when each was last active. */
  readonly #asked = new Map<string, number>();
  readonly #refused: Record<PoolRefusal, number> = { 'pool-full': 0, 'share-spent': 0 };
  #lastAsked: string | undefined;
  #used = 0;

  constructor({ name, size, share = 0.25, alone = 0.5, clock = () => performance.now() }: PoolOptions) {
    this.name = name;
    this.#size = size;
    this.#share = share;
    this.#alone = alone;
    this.#clock = clock;
  }

  get used(): number {
    return this.#used;
  }

  usedBy(holder: string): number {
    return this.#takenBy.get(holder) ?? 0;
  }

  /** The current share of `holder`. */
  limitOf(holder: string): number {
    return Math.max(1, Math.floor(this.#size() * (this.#othersAsk(holder) ? this.#share : this.#alone)));
  }

  /**
   * Takes `amount` for `holder`, or returns the reason of the refusal. A holder without a piece gets one regardless of its
   * share, as long as the pool has capacity.
   */
  take(holder: string, amount = 1): Release | PoolRefusal {
    // Deleted only to move it behind the others, because each deletion costs the map a part of a copy of itself.
    if (this.#lastAsked !== holder) this.#asked.delete(holder);
    this.#asked.set(holder, this.#clock());
    this.#lastAsked = holder;
    if (this.#used + amount > this.#size()) return this.#refuse('pool-full');
    const taken = this.usedBy(holder);
    if (taken > 0 && taken + amount > this.limitOf(holder)) return this.#refuse('share-spent');
    this.#takenBy.set(holder, taken + amount);
    this.#used += amount;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#giveBack(holder, amount);
    };
  }

  reading(): PoolReading {
    const { name, used } = this;
    return { name, size: this.#size(), used, holders: this.#takenBy.size, refused: { ...this.#refused } };
  }

  #giveBack(holder: string, amount: number): void {
    this.#used -= amount;
    const left = this.usedBy(holder) - amount;
    if (left > 0) this.#takenBy.set(holder, left);
    else this.#takenBy.delete(holder);
  }

  #refuse(reason: PoolRefusal): PoolRefusal {
    this.#refused[reason] += 1;
    return reason;
  }

  #othersAsk(holder: string): boolean {
    if (this.#takenBy.size > (this.#takenBy.has(holder) ? 1 : 0)) return true;
    const since = this.#clock() - ASKING_MS;
    // In order of time, oldest first.
    for (const [other, at] of this.#asked) {
      if (at < since) this.#asked.delete(other);
      else if (other !== holder) return true;
    }
    return false;
  }
}
