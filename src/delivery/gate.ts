import { usualPauses } from '../pauses.ts';
import { sleep } from './patience.ts';

/** Holds what is queued for a connection while the upstream turns all of it away (contract 8.8). */
export interface Gate {
  /** Resolves when the sends of this connection may go on, or the process ends. */
  opened(connection: string): Promise<void>;
  isOpen(connection: string): boolean;
  /** The upstream refuses the credentials, or is not there: nothing more goes out until a probe is answered. */
  shut(connection: string): void;
  /**
   * A send came through: the next refusal is a new one. Until then a probe that is answered proves little (a token may
   * read and not send).
   */
  passed(connection: string): void;
}

/** From one probe to the next, at most. */
const probeMaxMs = 30_000;

/** `probe` makes a call that puts nothing before anybody, and says whether it was answered as it should be. */
export function createGate(
  probe: (connection: string) => Promise<boolean>,
  closing: AbortSignal,
  probeFirstMs = usualPauses.probeFirstMs,
): Gate {
  const shut = new Map<string, Promise<void>>();
  /** From the last probe of a connection to its next one, ms. */
  const pauses = new Map<string, number>();

  const probeUntilAnswered = async (connection: string) => {
    do {
      const pauseMs = pauses.get(connection) ?? probeFirstMs;
      pauses.set(connection, Math.min(pauseMs * 2, probeMaxMs));
      await sleep(pauseMs, closing);
    } while (!closing.aborted && !(await probe(connection).catch(() => false)));
    shut.delete(connection);
  };

  const opened = (connection: string) => shut.get(connection) ?? Promise.resolve();

  return {
    opened,
    passed: (connection) => void pauses.delete(connection),
    isOpen: (connection) => !shut.has(connection),
    shut: (connection) => {
      if (!shut.has(connection)) shut.set(connection, probeUntilAnswered(connection));
    },
  };
}
