import { Problem } from '../problem.ts';
import type { OperatorStore, SendingStop, Stopped } from '../store/operator-port.ts';
import type { Hold, StoppedSending } from './holds.ts';

/**
 * What operators have stopped, as the store says: looked at each second, because another replica may have been told. While the
 * store cannot be read, what it said last stands; until it has said something, everything is stopped.
 */
export interface StopSwitch extends StoppedSending {
  /** `undefined`: the store has not been read yet, or nobody ever stopped anything. */
  readonly last: SendingStop | undefined;
  /** Nothing, where no operator has spoken. */
  readonly stopped: Stopped;
  /** Resolves when the store was asked once. To be awaited before anything is sent. */
  start(): Promise<void>;
  /** Stops and releases what is said here, and nothing else, in this process at once. Throws StoreError. */
  set(stop: Omit<SendingStop, 'changedAt'>): Promise<SendingStop>;
  close(): Promise<void>;
}

interface StopSwitchServices {
  store: Pick<OperatorStore, 'sendingStop' | 'stopSending'>;
  /** The store could not be read; it is asked again in a second. */
  onFault: (error: unknown) => void;
  lookEveryMs?: number;
}

/** When a caller may ask again whether it may send: nobody knows how long an incident takes. */
const retryAfterS = 30;

const nothing: Stopped = { all: false, callers: [], connections: [] };

export function createStopSwitch({ store, onFault, lookEveryMs = 1_000 }: StopSwitchServices): StopSwitch {
  let isKnown = false;
  let last: SendingStop | undefined;
  let names = namesOf(nothing);
  /** Words spoken here, begun and ended: an answer from before one of them is old. */
  let spoken = 0;
  let looking: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const take = (stop: SendingStop | undefined) => {
    isKnown = true;
    last = stop;
    names = namesOf(stop?.stopped ?? nothing);
  };

  const look = async () => {
    const before = spoken;
    const stop = await store.sendingStop();
    if (spoken === before) take(stop);
  };

  const lookOnce = () => {
    looking ??= look()
      .catch(onFault)
      .finally(() => {
        looking = undefined;
      });
    return looking;
  };

  return {
    get last() {
      return last;
    },
    get stopped() {
      return last?.stopped ?? nothing;
    },
    start: async () => {
      timer = setInterval(() => void lookOnce(), lookEveryMs).unref();
      await lookOnce();
    },
    set: async (stop) => {
      spoken += 1;
      try {
        const stands = await store.stopSending(stop);
        take(stands);
        return stands;
      } finally {
        spoken += 1;
      }
    },
    reasonFor: ({ caller, connection }) => {
      if (!isKnown) return hold('it is not known yet whether an operator has stopped sending');
      const because = `: ${last?.reason}`;
      if (names.all) return hold(`an operator has stopped all sending${because}`);
      if (names.callers.has(caller)) return hold(`an operator has stopped the sending of this caller${because}`);
      if (connection === undefined || !names.connections.has(connection)) return undefined;
      return hold(`an operator has stopped all sending over this connection${because}`);
    },
    close: async () => {
      clearInterval(timer);
      await looking;
    },
  };
}

const hold = (detail: string): Hold => ({ code: 'sending-stopped', detail });

const namesOf = ({ all, callers, connections }: Stopped) => ({
  all,
  callers: new Set(callers),
  connections: new Set(connections),
});

/** Throws `sending-stopped`. Before anything is recorded. */
export function assertMaySend(stopped: StoppedSending, ask: Parameters<StoppedSending['reasonFor']>[0]): void {
  const reason = stopped.reasonFor(ask);
  if (reason) throw sendingStopped(reason);
}

export const sendingStopped = ({ detail }: Hold): Problem =>
  new Problem('sending-stopped', `${detail}; nothing was recorded and nothing was sent`, {
    outcome: 'not_sent',
    retryAfterS,
  });
