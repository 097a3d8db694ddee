/** How long the service rests before it looks or tries again, ms; an argument, so that tests need not wait as long. */
export interface RetryDelays {
  /** Before a read is made again; as much and up to three times as much more at random, so that not all come at once. */
  readonly readRetryMs: number;
  /** From a refusal of all sends of a connection to the first call that tries whether it is over; doubled from then on. */
  readonly probeFirstMs: number;
  /** Between two looks for broadcasts that another replica has recorded. */
  readonly lookEveryMs: number;
  /** Between two reads of a connection's templates because something named is not among them. */
  readonly templateMissMs: number;
  /** Between two looks for webhooks that nobody announced: early ones that are tried again, and those of dead processes. */
  readonly intakeEveryMs: number;
  /** Between two looks for histories that are to be read. */
  readonly pollEveryMs: number;
  /** Between two looks for what callers are to be told, and for another version of who is. */
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
