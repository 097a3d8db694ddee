import type { Config } from '../../config.ts';
import type { AttemptResult } from '../../upstream/attempt-result.ts';
import type { CallerPriority } from '../../upstream/permits.ts';
import { concernsOneReceiver } from './bisect-batch.ts';

type Lane = CallerPriority['lane'];
type Bounds = Config['GROUP_BOUNDS'];

/** The calls that share a size. */
interface BatchKind {
  connection: string;
  lane: Lane;
}

/** Call with what the answer proves about each message of the call. */
export type OnBatchAnswer = (results: readonly AttemptResult[]) => void;

/**
 * How many template messages one call may carry now, for each connection and lane. A size begins at `start`, doubles after full
 * calls with clean answers, and halves when an answer is lost, slow or a refusal of all: a lost answer leaves every message of its
 * call unknown, so only an account that answers gets large calls. It is never below `start`, which is always worth the risk.
 */
export interface BatchSizes {
  limit(kind: BatchKind): number;
  /** Call when a call begins. */
  begin(kind: BatchKind, messages: number): OnBatchAnswer;
  /** The sizes of all kinds that were used. */
  reading(): readonly (BatchKind & { limit: number })[];
}

interface BatchSizesOptions {
  bounds: Bounds;
  /** An answer that takes longer is slow, ms; one that takes more than half of it is no reason to grow. */
  slowMs: number;
  /** Steady milliseconds. */
  clock?: () => number;
}

/** Full calls with clean answers in a row, before a size doubles for the first time. */
const CLEAN_FIRST = 2;
/** The most that a size waits for. At ten calls a second this is about seven minutes. */
const CLEAN_MAX = 4_096;
/** Unused for this long, a size begins anew: what the account takes may have changed. */
const IDLE_MS = 600_000;

/** By how much longer a size waits before it doubles again, so that a size that fails is tried less and less often. */
const MORE_CLEAN = { lost: 8, slow: 4, refused: 4 } as const;

export function createBatchSizes({ bounds, slowMs, clock = () => performance.now() }: BatchSizesOptions): BatchSizes {
  const sizes = new Map<string, { kind: BatchKind; size: BatchSize }>();
  const sizeOf = ({ connection, lane }: BatchKind): BatchSize => {
    const key = `${lane} ${connection}`;
    const known = sizes.get(key);
    if (known) return known.size;
    const size = new BatchSize(bounds[lane], slowMs, clock);
    sizes.set(key, { kind: { connection, lane }, size });
    return size;
  };
  return {
    limit: (kind) => sizeOf(kind).limit,
    begin: (kind, messages) => sizeOf(kind).begin(messages),
    reading: () => Array.from(sizes.values(), ({ kind, size }) => ({ ...kind, limit: size.limit })),
  };
}

class BatchSize {
  readonly #start: number;
  readonly #max: number;
  readonly #slowMs: number;
  readonly #clock: () => number;
  #limit: number;
  #cleanNeeded = CLEAN_FIRST;
  #clean = 0;
  #usedAt = 0;
  /** Counts the changes of the limit. Calls that began before the last one say nothing about the present limit. */
  #changes = 0;

  constructor({ start, max }: Bounds[Lane], slowMs: number, clock: () => number) {
    this.#start = start;
    this.#max = max;
    this.#slowMs = slowMs;
    this.#clock = clock;
    this.#limit = this.#start;
  }

  get limit(): number {
    if (this.#limit > this.#start && this.#clock() - this.#usedAt > IDLE_MS) this.#change(this.#start);
    return this.#limit;
  }

  begin(messages: number): OnBatchAnswer {
    const { limit } = this;
    const beganAt = this.#clock();
    const changes = this.#changes;
    this.#usedAt = beganAt;
    return (results) => {
      if (changes !== this.#changes) return;
      const tookMs = this.#clock() - beganAt;
      const fault = faultOf(results, tookMs > this.#slowMs);
      if (fault) return this.#shrink(MORE_CLEAN[fault]);
      const isClean = results.some(({ outcome }) => outcome === 'accepted');
      if (isClean && messages >= limit && tookMs <= this.#slowMs / 2) this.#noteClean();
    };
  }

  #noteClean(): void {
    if (++this.#clean < this.#cleanNeeded) return;
    this.#cleanNeeded = Math.max(CLEAN_FIRST, Math.floor(this.#cleanNeeded / 2));
    this.#change(Math.min(this.#max, this.#limit * 2));
  }

  #shrink(moreClean: number): void {
    // A failure at the start size says nothing about larger calls.
    if (this.#limit > this.#start) this.#cleanNeeded = Math.min(CLEAN_MAX, this.#cleanNeeded * moreClean);
    this.#change(Math.max(this.#start, Math.floor(this.#limit / 2)));
  }

  #change(limit: number): void {
    this.#limit = limit;
    this.#clean = 0;
    this.#changes++;
  }
}

/** Undefined: the answer is clean, or the call was proved not sent, which says nothing about its size. */
function faultOf(results: readonly AttemptResult[], isSlow: boolean): keyof typeof MORE_CLEAN | undefined {
  if (results.some(({ outcome }) => outcome === 'unknown')) return 'lost';
  if (results.every(({ outcome }) => outcome === 'not_sent')) return undefined;
  if (isSlow) return 'slow';
  // A refusal of the whole call is the same object for all of its messages.
  const [first] = results;
  const isWhole = results.length > 1 && results.every((result) => result === first);
  return isWhole && first?.outcome === 'rejected' && concernsOneReceiver(first) ? 'refused' : undefined;
}
