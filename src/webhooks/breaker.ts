const OPENS_AT = 5;
/** After this many failed probes (about six minutes), another event behind the oldest one is tried. */
const STUCK_AT = 10;
/** How many places behind the oldest event that one is. */
const OTHERS = [1, 2, 4, 8, 16, 32, 64];
const WAITS_MS = [1_000, 2_000, 5_000, 10_000, 30_000, 60_000];

/**
 * Distinguishes an endpoint that is away from one that refuses a single event. Opens after five consecutive failures
 * of more than one event. While it is open, one event is tried at a time, until one is delivered.
 */
export class EndpointBreaker {
  readonly #clock: () => number;
  readonly #failed = new Set<number>();
  #inARow: number;
  #probes = 0;
  #failedProbes = 0;
  #isOpen = false;
  #nextProbeAt = 0;

  /** `inARow`: consecutive failures that an earlier process has recorded. `clock` is monotonic, in ms. */
  constructor(inARow: number, clock: () => number) {
    this.#inARow = inARow;
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Milliseconds until an event may be tried; 0 while it is closed. */
  get restMs(): number {
    return this.#isOpen ? Math.max(0, this.#nextProbeAt - this.#clock()) : 0;
  }

  /**
   * After a failed probe, how many places behind the oldest event the next probe is taken from: the oldest may be the
   * one that fails. Undefined: the oldest.
   */
  get otherToTry(): number | undefined {
    if (!this.#isOpen || this.#failedProbes < STUCK_AT) return undefined;
    return OTHERS[(this.#failedProbes - STUCK_AT) % OTHERS.length];
  }

  /**
   * Returns whether this failure opened it. Only probes lengthen the pause: other failures belong to requests that
   * were in flight when it opened.
   */
  failed(eventSeq: number, isProbe: boolean): boolean {
    this.#inARow += 1;
    this.#failed.add(eventSeq);
    if (this.#isOpen) {
      if (!isProbe) return false;
      this.#failedProbes += 1;
      this.#restBefore(this.#probes + 1);
      return false;
    }
    if (this.#inARow < OPENS_AT || this.#failed.size < 2) return false;
    this.#isOpen = true;
    this.#failedProbes = 0;
    this.#restBefore(0);
    return true;
  }

  /** Returns whether it was open. */
  succeeded(): boolean {
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    this.#inARow = 0;
    this.#failed.clear();
    return wasOpen;
  }

  #restBefore(probe: number): void {
    this.#probes = Math.min(probe, WAITS_MS.length - 1);
    this.#nextProbeAt = this.#clock() + (WAITS_MS[this.#probes] ?? 0);
  }
}
