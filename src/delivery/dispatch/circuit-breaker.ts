import type { Hold } from '../../holds/holds.ts';
import { sleep } from '../../lib/sleep.ts';
import { defaultRetryDelays } from '../../settings/retry-delays.ts';

/**
 * A circuit breaker per connection. While the upstream refuses all calls of a connection, the connection's queue waits until a
 * probe succeeds.
 */
export interface CircuitBreaker {
  /** Resolves when the messages of this connection may go on, or the process ends. */
  whenClosed(connection: string): Promise<void>;
  isClosed(connection: string): boolean;
  /** Why messages of this connection wait; `undefined`: they do not wait. */
  holdOf(connection: string): Hold | undefined;
  /** Opens the circuit: the upstream refuses the credentials or is unreachable. Nothing is sent until a probe succeeds. */
  trip(connection: string, hold: Hold): void;
  /** How often the circuit opened since a message was last accepted, although each probe in between succeeded. */
  timesTripped(connection: string): number;
  /** Resets the count of trips after a message was processed. A successful probe does not: a token may allow reads and not sends. */
  recordSuccess(connection: string): void;
}

/** The longest pause between probes. */
const probeMaxMs = 30_000;

interface BreakerOptions {
  /** See `RetryDelays`. */
  probeFirstMs?: number;
  wait?: typeof sleep;
}

/** `probe` makes a call that sends no message, and returns whether its answer was as expected. */
export function createCircuitBreaker(
  probe: (connection: string) => Promise<boolean>,
  closing: AbortSignal,
  { probeFirstMs = defaultRetryDelays.probeFirstMs, wait = sleep }: BreakerOptions = {},
): CircuitBreaker {
  const shut = new Map<string, { over: Promise<void>; hold: Hold }>();
  const timesTripped = new Map<string, number>();
  /** Pause before the next probe of each connection, ms. */
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
