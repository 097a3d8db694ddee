const TOLD_AFTER_MS = 15 * 60_000;
const ATTEMPTS_BEFORE_DISABLING = 10;

export interface HealthState {
  failures: number;
  failingSince?: number;
  lastSuccessAt?: number;
}

/** An endpoint's record since its last success. Times are wall clock in ms, because they outlive the process. */
export class EndpointHealth {
  readonly #disableAfterMs: number;
  #state: HealthState;
  #isTold = false;

  constructor({ failures, failingSince, lastSuccessAt }: HealthState, disableAfterMs: number) {
    this.#state = {
      failures,
      ...(failingSince !== undefined && { failingSince }),
      ...(lastSuccessAt !== undefined && { lastSuccessAt }),
    };
    this.#disableAfterMs = disableAfterMs;
  }

  get state(): HealthState {
    return this.#state;
  }

  succeeded(now: number): void {
    this.#state = { failures: 0, lastSuccessAt: now };
    this.#isTold = false;
  }

  /** Returns whether to disable the endpoint: at least ten failures and no success for the configured time. */
  failed(now: number): boolean {
    const { failures, failingSince = now } = this.#state;
    this.#state = { ...this.#state, failures: failures + 1, failingSince };
    return failures + 1 >= ATTEMPTS_BEFORE_DISABLING && now - failingSince >= this.#disableAfterMs;
  }

  /** True if nothing was delivered for fifteen minutes. */
  isFailing(now: number): boolean {
    const { failingSince } = this.#state;
    return failingSince !== undefined && now - failingSince >= TOLD_AFTER_MS;
  }

  /** Returns once, when a failure has to be reported, the time since when the endpoint fails. */
  toTell(now: number): number | undefined {
    if (this.#isTold || !this.isFailing(now)) return undefined;
    this.#isTold = true;
    return this.#state.failingSince;
  }
}
