import type { Hold } from '../../holds/holds.ts';
import { sleep } from '../../lib/sleep.ts';
import { defaultRetryDelays } from '../../settings/retry-delays.ts';

/**
 * A circuit breaker per connection: while the upstream refuses everything of a connection, its queue waits until a probe is
 * answered.
 */
export interface CircuitBreaker {
  /** Resolves when the messages of this connection may go on, or the process ends. */
  whenClosed(connection: string): Promise<void>;
  isClosed(connection: string): boolean;
  /** Why the messages of this connection wait; `undefined`: they do not. */
  holdOf(connection: string): Hold | undefined;
  /** The upstream refuses the credentials or is unreachable: nothing goes out until a probe is answered. */
  trip(connection: string, hold: Hold): void;
  /** Trips since the last accepted message: probes were answered in between, messages were not. */
  timesTripped(connection: string): number;
  /**
   * A message was processed, so the next refusal is a new one. Until then an answered probe proves little: a token may allow
   * reads and not sends.
   */
  recordSuccess(connection: string): void;
}

/** From one probe to the next, at most. */
const probeMaxMs = 30_000;

interface BreakerOptions {
  /** See `RetryDelays`. */
  probeFirstMs?: number;
  wait?: typeof sleep;
}

/** `probe` makes a call that sends no message, and returns whether it was answered as expected. */
export function createCircuitBreaker(
  probe: (connection: string) => Promise<boolean>,
  closing: AbortSignal,
  { probeFirstMs = defaultRetryDelays.probeFirstMs, wait = sleep }: BreakerOptions = {},
): CircuitBreaker {
  const shut = new Map<string, { over: Promise<void>; hold: Hold }>();
  const timesTripped = new Map<string, number>();
  /** From the last probe of a connection to its next one, ms. */
  const pauses = new Map<string, number>();

  const probeUntilAnswered = async (connection: string) => {
    do {
      const pauseMs = pauses.get(connection) ?? probeFirstMs;
      pauses.set(connection, Math.min(pauseMs * 2, probeMaxMs));
      await wait(pauseMs, closing);
    } while (!closing.aborted && !(await probe(connection).catch(() => false)));
    shut.delete(connection);
  };

  const whenClosed = (connection: string) => shut.get(connection)?.over ?? Promise.resolve();

  return {
    whenClosed,
    recordSuccess: (connection) => {
      pauses.delete(connection);
      timesTripped.delete(connection);
    },
    holdOf: (connection) => shut.get(connection)?.hold,
    timesTripped: (connection) => timesTripped.get(connection) ?? 0,
    isClosed: (connection) => !shut.has(connection),
    trip: (connection, hold) => {
      if (shut.has(connection)) return;
      timesTripped.set(connection, (timesTripped.get(connection) ?? 0) + 1);
      shut.set(connection, { over: probeUntilAnswered(connection), hold });
    },
  };
}
