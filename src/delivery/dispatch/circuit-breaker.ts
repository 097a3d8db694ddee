import type { Hold } from '../../holds/holds.ts';
import { usualPauses } from '../../pauses.ts';
import { sleep } from '../../sleep.ts';

/** Holds what is queued for a connection while the upstream turns all of it away (contract 8.8). */
export interface Gate {
  /** Resolves when the sends of this connection may go on, or the process ends. */
  opened(connection: string): Promise<void>;
  isOpen(connection: string): boolean;
  /** Why the sends of this connection wait; `undefined`: they do not. */
  holdOf(connection: string): Hold | undefined;
  /** The upstream refuses the credentials, or is not there: nothing more goes out until a probe is answered. */
  shut(connection: string, hold: Hold): void;
  /** How often it was shut since a send came through: probes were answered in between, and sends were not. */
  timesShut(connection: string): number;
  /**
   * A send came through: the next refusal is a new one. Until then a probe that is answered proves little (a token may
   * read and not send).
   */
  passed(connection: string): void;
}

/** From one probe to the next, at most. */
const probeMaxMs = 30_000;

interface GateSeams {
  /** See `Pauses`. */
  probeFirstMs?: number;
  wait?: typeof sleep;
}

/** `probe` makes a call that puts nothing before anybody, and says whether it was answered as it should be. */
export function createGate(
  probe: (connection: string) => Promise<boolean>,
  closing: AbortSignal,
  { probeFirstMs = usualPauses.probeFirstMs, wait = sleep }: GateSeams = {},
): Gate {
  const shut = new Map<string, { over: Promise<void>; hold: Hold }>();
  const times = new Map<string, number>();
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

  const opened = (connection: string) => shut.get(connection)?.over ?? Promise.resolve();

  return {
    opened,
    passed: (connection) => {
      pauses.delete(connection);
      times.delete(connection);
    },
    holdOf: (connection) => shut.get(connection)?.hold,
    timesShut: (connection) => times.get(connection) ?? 0,
    isOpen: (connection) => !shut.has(connection),
    shut: (connection, hold) => {
      if (shut.has(connection)) return;
      times.set(connection, (times.get(connection) ?? 0) + 1);
      shut.set(connection, { over: probeUntilAnswered(connection), hold });
    },
  };
}
