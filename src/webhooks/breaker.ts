const OPENS_AT = 5;
/** From so many failed probes on, some six minutes, another event is tried behind the oldest. */
const STUCK_AT = 10;
/** Which one in their order. */
const OTHERS = [1, 2, 4, 8, 16, 32, 64];
const WAITS_MS = [1_000, 2_000, 5_000, 10_000, 30_000, 60_000];

/**
 * Tells an endpoint that is away from one that does not take a single event. It opens at five failures in a row over more than one
 * event; from then on one event is tried at a time, until one is delivered.
 */
export class Breaker {
  readonly #clock: () => number;
  readonly #failed = new Set<number>();
  #inARow: number;
  #probes = 0;
  #failedProbes = 0;
  #isOpen = false;
  #nextProbeAt = 0;

  /** `inARow`: failures since the last success that an earlier process has seen. `clock` is monotonic, ms. */
  constructor(inARow: number, clock: () => number) {
    this.#inARow = inARow;
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** How long until an event may be tried; 0 while it is closed. */
  get restMs(): number {
    return this.#isOpen ? Math.max(0, this.#nextProbeAt - this.#clock()) : 0;
  }

  /** Which event behind the oldest is to be tried after a failed probe, if any: the oldest may be the one that fails. */
  get otherToTry(): number | undefined {
    if (!this.#isOpen || this.#failedProbes < STUCK_AT) return undefined;
    return OTHERS[(this.#failedProbes - STUCK_AT) % OTHERS.length];
  }

  /** Answers whether this one has opened it. Only probes lengthen the waits: others were under way when it opened. */
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

  /** Answers whether it was open. */
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
