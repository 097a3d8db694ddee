import { Problem } from '../problem.ts';
import type { OperatorStore, SendingStop, Stopped } from '../store/operator-store.ts';
import type { Hold, StoppedSending } from './holds.ts';

/**
 * What operators have stopped. The store is polled every second, because another replica may have handled the operator's
 * request. While the store cannot be read, the last known state applies; before the first read, everything is stopped.
 */
export interface StopSwitch extends StoppedSending {
  /** `undefined`: the store has not been read yet, or nothing was ever stopped. */
  readonly last: SendingStop | undefined;
  /** Empty if nothing is stopped, or the store has not been read yet. */
  readonly stopped: Stopped;
  /** Resolves after the first read of the store. Await it before anything is sent. */
  start(): Promise<void>;
  /** Replaces what is stopped; takes effect in this process at once. Throws StoreError. */
  set(stop: Omit<SendingStop, 'changedAt'>): Promise<SendingStop>;
  close(): Promise<void>;
}

interface StopSwitchServices {
  store: Pick<OperatorStore, 'findSendingStop' | 'stopSending'>;
  /** The store could not be read; it is read again in a second. */
  onFault: (error: unknown) => void;
  lookEveryMs?: number;
}

/** Retry-After of the refusal. How long the incident takes is unknown. */
const retryAfterS = 30;

const nothing: Stopped = { all: false, callers: [], connections: [] };

export function createStopSwitch({ store, onFault, lookEveryMs = 1_000 }: StopSwitchServices): StopSwitch {
  /** Absent until the first read of the store. */
  let known: { stop: SendingStop | undefined; names: ReturnType<typeof namesOf> } | undefined;
  /** Counts the begin and end of changes made here: a read that began before one of them is outdated. */
  let changeCount = 0;
  let polling: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const take = (stop: SendingStop | undefined) => {
    known = { stop, names: namesOf(stop?.stopped ?? nothing) };
  };

  const poll = async () => {
    const before = changeCount;
    const stop = await store.findSendingStop();
    if (changeCount === before) take(stop);
  };

  const pollOnce = () => {
    polling ??= poll()
      .catch(onFault)
      .finally(() => {
        polling = undefined;
      });
    return polling;
  };

  return {
    get last() {
      return known?.stop;
    },
    get stopped() {
      return known?.stop?.stopped ?? nothing;
    },
    start: async () => {
      timer = setInterval(() => void pollOnce(), lookEveryMs).unref();
      await pollOnce();
    },
    set: async (stop) => {
      changeCount += 1;
      try {
        const stands = await store.stopSending(stop);
        take(stands);
        return stands;
      } finally {
        changeCount += 1;
      }
    },
    reasonFor: (ask) =>
      known
        ? stopReason(known.names, ask, known.stop?.reason)
        : hold('it is not known yet whether an operator has stopped sending'),
    close: async () => {
      clearInterval(timer);
      await polling;
    },
  };
}

function stopReason(
  { all, callers, connections }: ReturnType<typeof namesOf>,
  { caller, connection }: Parameters<StoppedSending['reasonFor']>[0],
  reason: string | undefined,
): Hold | undefined {
  const because = `: ${reason}`;
  if (all) return hold(`an operator has stopped all sending${because}`);
  if (callers.has(caller)) return hold(`an operator has stopped the sending of this caller${because}`);
  if (connection === undefined || !connections.has(connection)) return undefined;
  return hold(`an operator has stopped all sending over this connection${because}`);
}

const hold = (detail: string): Hold => ({ code: 'sending-stopped', detail });

const namesOf = ({ all, callers, connections }: Stopped) => ({
  all,
  callers: new Set(callers),
  connections: new Set(connections),
});

/** Throws `sending-stopped`. Call before anything is recorded. */
export function assertNotStopped(stopped: StoppedSending, ask: Parameters<StoppedSending['reasonFor']>[0]): void {
  const reason = stopped.reasonFor(ask);
  if (reason) throw sendingStopped(reason);
}

export const sendingStopped = ({ detail }: Hold): Problem =>
  new Problem('sending-stopped', `${detail}; nothing was recorded and nothing was sent`, {
    outcome: 'not_sent',
    retryAfterS,
  });
