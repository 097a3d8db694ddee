/** Pauses before the service polls or retries, ms. They are an argument, so that tests need not wait as long. */
export interface RetryDelays {
  /** Pause before a read is retried, plus a random part of up to three times as much, so that retries do not coincide. */
  readonly readRetryMs: number;
  /** Pause between a refusal of all sends of a connection and the first probe; doubled after each probe that fails. */
  readonly probeFirstMs: number;
  /** Interval of polls for broadcasts that another replica has recorded. */
  readonly lookEveryMs: number;
  /** Pause between two reads of a connection's templates that were caused by an unknown name. */
  readonly templateMissMs: number;
  /** Interval of polls for webhooks without a wake-up: early ones that are tried again, and those of dead processes. */
  readonly intakeEveryMs: number;
  /** Interval of polls for histories that are to be read. */
  readonly pollEveryMs: number;
  /** Between two looks for new facts, and for a changed callers file. */
  readonly eventsEveryMs: number;
}

export const defaultRetryDelays: RetryDelays = {
  readRetryMs: 200,
  probeFirstMs: 1_000,
  lookEveryMs: 1_000,
  templateMissMs: 1_000,
  intakeEveryMs: 1_000,
  pollEveryMs: 5_000,
  eventsEveryMs: 1_000,
};
