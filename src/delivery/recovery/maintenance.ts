import { sleep } from '../../sleep.ts';
import type { SendStore } from '../../store/port.ts';
import type { Delivery } from '../delivery-service.ts';

/** What has to be done again and again, so that the promise of delivery.md 2.1 holds while nobody asks. */
export interface Keeper {
  /**
   * Ends what dead processes were sending, and begins to take up what they left queued. Where that takes long it goes on in the
   * background, so that the process listens; rejects where it fails before.
   */
  start(): Promise<void>;
  /** All that was left behind has been ended or looked at once; what may go out is on its way. */
  readonly hasRecovered: boolean;
  stop(): Promise<void>;
}

interface KeeperServices {
  store: SendStore;
  delivery: Delivery;
  leaseMs: number;
  /** A chore failed; it is tried again at its next turn. */
  onFault: (chore: string, error: unknown) => void;
}

/** How soon what waits in the store goes on, once it may: a look into an index where anything is left. */
const feedEveryMs = 250;
/** How long a start waits for its recovery. */
const startPatienceMs = 1_000;
const purgeEveryMs = 60_000;
const purgeBatch = 500;
/**
 * Between full batches, for all else that needs the store and the event loop. A batch is as many rows in each of the
 * five statements of `purge`, so at most five times that a second of each kind.
 */
const purgePauseMs = 200;

export function createKeeper({ store, delivery, leaseMs, onFault }: KeeperServices): Keeper {
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

  /** A busy day leaves more behind than one batch a minute takes. */
  const purgeAll = async () => {
    while (!stopping.signal.aborted && (await store.purge(purgeBatch)) >= purgeBatch) {
      await sleep(purgePauseMs, stopping.signal);
    }
  };

  let hasRecovered = false;
  const recover = async () => {
    await delivery.recover();
    if (!hasRecovered) await delivery.feed();
    hasRecovered = true;
  };

  /** Rejects where it fails while it is waited for; later it is tried again at its next turn. */
  const recoverFirst = async () => {
    const waited = new AbortController();
    let isLate = false;
    const first = recover().catch((error) => {
      if (!isLate) throw error;
      onFault('recover', error);
    });
    const late = sleep(startPatienceMs, waited.signal).then(() => {
      isLate = true;
    });
    await Promise.race([first, late]).finally(() => waited.abort());
    busy.add(first);
    void first.finally(() => busy.delete(first));
  };

  return {
    get hasRecovered() {
      return hasRecovered;
    },
    start: async () => {
      every(leaseMs / 3, 'heartbeat', () => store.heartbeat());
      await recoverFirst();
      every(leaseMs / 3, 'withdraw', () => store.withdrawDoubtful());
      every(leaseMs, 'recover', recover);
      every(feedEveryMs, 'queue', async () => {
        if (hasRecovered) await delivery.feed();
      });
      every(purgeEveryMs, 'purge', purgeAll);
    },
    stop: async () => {
      for (const timer of timers) clearInterval(timer);
      stopping.abort();
      await Promise.all(busy);
    },
  };
}
