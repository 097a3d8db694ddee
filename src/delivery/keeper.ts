import type { SendStore, StoredSend } from '../store/port.ts';
import type { Delivery } from './delivery.ts';
import { sleep } from './patience.ts';
import type { Reconciler } from './reconcile.ts';

/** What has to be done again and again, so that the promise of delivery.md 2.1 holds while nobody asks. */
export interface Keeper {
  /** Resolves once what dead processes were sending is ended; what they left queued is taken up in the background. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface KeeperServices {
  store: SendStore;
  delivery: Delivery;
  reconciler: Reconciler;
  leaseMs: number;
  /** A chore failed; it is tried again at its next turn. */
  onFault: (chore: string, error: unknown) => void;
}

/** Slowly: reads share the budget of the sends (delivery.md 2.8, item 7: one in two seconds at most; a look is one). */
const reconcileEveryMs = 2_000;
/** How soon what waits in the store goes on, once it may: a look into an index where anything is left. */
const feedEveryMs = 250;
const purgeEveryMs = 60_000;
const purgeBatch = 500;
/**
 * Between full batches, for all else that needs the store and the event loop. A batch is as many rows in each of the
 * five statements of `purge`, so at most five times that a second of each kind.
 */
const purgePauseMs = 200;

export function createKeeper({ store, delivery, reconciler, leaseMs, onFault }: KeeperServices): Keeper {
  const timers: NodeJS.Timeout[] = [];
  const busy = new Set<Promise<void>>();
  const stopping = new AbortController();

  /** A chore that takes longer than its pause is not begun a second time. */
  const every = (ms: number, chore: string, work: () => Promise<unknown>) => {
    let running = false;
    const timer = setInterval(() => {
      if (running) return;
      running = true;
      const turn = work().then(
        () => {},
        (error) => onFault(chore, error),
      );
      busy.add(turn);
      void turn.then(() => {
        running = false;
        busy.delete(turn);
      });
    }, ms);
    timers.push(timer.unref());
  };

  const lookAtOne = async () => {
    const [due] = await store.dueForReconcile(1);
    if (due) await reconciler.look(due, contextOf(due), due.look);
  };

  /** A busy day leaves more behind than one batch a minute takes. */
  const purgeAll = async () => {
    while (!stopping.signal.aborted && (await store.purge(purgeBatch)) >= purgeBatch) {
      await sleep(purgePauseMs, stopping.signal);
    }
  };

  return {
    start: async () => {
      await delivery.recover();
      every(leaseMs / 3, 'heartbeat', () => store.heartbeat());
      every(leaseMs / 3, 'withdraw', () => store.withdrawDoubtful());
      every(leaseMs, 'recover', () => delivery.recover());
      every(feedEveryMs, 'queue', () => delivery.feed());
      every(reconcileEveryMs, 'reconcile', lookAtOne);
      every(purgeEveryMs, 'purge', purgeAll);
    },
    stop: async () => {
      for (const timer of timers) clearInterval(timer);
      stopping.abort();
      await Promise.all(busy);
    },
  };
}

/** Behind everybody who waits for an answer. */
const contextOf = ({ connectionId }: StoredSend) => ({
  connection: connectionId,
  turn: { caller: 'wati-bff', lane: 'broadcast' as const },
});
