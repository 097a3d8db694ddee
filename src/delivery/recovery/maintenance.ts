import { sleep } from '../../lib/sleep.ts';
import type { EventStore } from '../../store/event-store.ts';
import type { MessageStore } from '../../store/message-store.ts';
import type { Delivery } from '../types.ts';
import { PeriodicTasks } from './periodic-tasks.ts';

/** Periodic tasks: heartbeat, recovery of orphaned messages, resuming the queue, purging. */
export interface Maintenance {
  /**
   * Completes the attempts of dead processes and begins to resume what they left queued. After a second it continues in the
   * background, so that the process can start to listen. Rejects if it fails within that second.
   */
  start(): Promise<void>;
  /** Everything that dead processes left was completed or read once; messages that may be sent are in delivery. */
  readonly hasRecovered: boolean;
  stop(): Promise<void>;
}

interface MaintenanceServices {
  store: MessageStore & Pick<EventStore, 'expireEvents'>;
  delivery: Delivery;
  leaseMs: number;
  /** How long events of callers are kept. */
  eventRetentionMs: number;
  /** A task failed; it is repeated after its interval. */
  onFault: (task: string, error: unknown) => void;
}

/** Interval for queued messages. Each run costs one index read, and only if any are left. */
const feedEveryMs = 250;
/** The start waits at most this long for recovery. */
const startTimeoutMs = 1_000;
const purgeEveryMs = 60_000;
const purgeBatch = 500;
/**
 * Pause between full batches, so that the store and the event loop can do other work. A batch is this many rows in each of the
 * five statements of `purge`.
 */
const purgePauseMs = 200;

export function createMaintenance(services: MaintenanceServices): Maintenance {
  const { store, delivery, leaseMs, eventRetentionMs, onFault } = services;
  const tasks = new PeriodicTasks(onFault);
  const stopping = new AbortController();

  /** A busy day leaves more rows than one batch per minute deletes. */
  const purgeAll = async (purge: (limit: number) => Promise<number>) => {
    while (!stopping.signal.aborted && (await purge(purgeBatch)) >= purgeBatch) {
      await sleep(purgePauseMs, stopping.signal);
    }
  };

  let hasRecovered = false;
  const recover = async () => {
    await delivery.recover();
    if (!hasRecovered) await delivery.feed();
    hasRecovered = true;
  };

  /** Rejects if recovery fails while the start waits for it. A later failure is retried after the interval. */
  const recoverFirst = async () => {
    const waited = new AbortController();
    let isLate = false;
    const first = recover().catch((error) => {
      if (!isLate) throw error;
      onFault('recover', error);
    });
    const late = sleep(startTimeoutMs, waited.signal).then(() => {
      isLate = true;
    });
    await Promise.race([first, late]).finally(() => waited.abort());
    tasks.track(first);
  };

  return {
    get hasRecovered() {
      return hasRecovered;
    },
    start: async () => {
      tasks.runEvery(leaseMs / 3, 'heartbeat', () => store.heartbeat());
      await recoverFirst();
      tasks.runEvery(leaseMs / 3, 'tombstones', () => store.resolveInDoubt());
      tasks.runEvery(leaseMs, 'recover', recover);
      tasks.runEvery(feedEveryMs, 'queue', async () => {
        if (hasRecovered) await delivery.feed();
      });
      tasks.runEvery(purgeEveryMs, 'purge', () => purgeAll((limit) => store.purge(limit)));
      tasks.runEvery(purgeEveryMs, 'events', () => purgeAll((limit) => store.expireEvents(eventRetentionMs, limit)));
    },
    stop: async () => {
      tasks.clear();
      stopping.abort();
      await tasks.idle();
    },
  };
}
