import { sleep } from '../../lib/sleep.ts';
import type { RateLimiter } from '../../rate-limit/types.ts';
import type { DueMessage, ReconcileStore } from '../../store/reconcile-store.ts';
import { isPassing } from '../../upstream/passing-problems.ts';
import { backgroundPriority, permitRequestOf } from '../../upstream/permits.ts';
import type { Reconciler } from './reconciler.ts';

/**
 * Reconciles unknown messages when they are due, one after another: five a second while the rate limit has capacity left, one
 * in two seconds otherwise. The store decides the order: one message of each lost call comes first.
 */
export interface ReconcileWorker {
  start(): void;
  /** Resolves when the attempt in progress has ended. */
  stop(): Promise<void>;
  /** Call when something may be due before the next poll. */
  wake(): void;
  /** Estimated duration of this many attempts, ms: the average so far plus half of it; before the first attempt, the slowest pace. */
  estimateMs(attempts: number): number;
  /** Whether something was due at the last poll. Polling of histories waits meanwhile. */
  isBusy(): boolean;
}

/** The source of time, an argument so that tests need not wait. */
export interface ReconcileClock {
  /** Monotonic ms. */
  clock: () => number;
  wait: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

interface ReconcileWorkerServices extends Partial<ReconcileClock> {
  store: ReconcileStore;
  reconciler: Reconciler;
  /** Absent: there is no limit. */
  rateLimiter?: RateLimiter;
  /** An attempt failed; it will be repeated. */
  onFault: (error: unknown) => void;
}

/** Pause between reads: two seconds while other calls wait for a permit, a fifth of a second otherwise. */
const slowMs = 2_000;
const fastMs = 200;
/** Interval in which the store is polled for due work. */
const restMs = 1_000;
/** The longest pause between attempts while the upstream cannot be reached. */
const failedMaxMs = 60_000;
/** Messages to one person that share one read of the history. */
const besideMax = 50;
/** The weight of the last attempt in the moving average. */
const weight = 0.1;
const margin = 1.5;

export function createReconcileWorker(services: ReconcileWorkerServices): ReconcileWorker {
  const { store, rateLimiter, onFault, clock = () => performance.now(), wait = sleep } = services;
  const stopping = new AbortController();
  let running: Promise<void> | undefined;
  let resting = new AbortController();
  let tookMs = slowMs;
  let failures = 0;
  let isBusy = false;

  const rest = (ms: number) => {
    resting = new AbortController();
    return wait(ms, AbortSignal.any([stopping.signal, resting.signal]));
  };

  const run = async () => {
    while (!stopping.signal.aborted) {
      const sinceMs = clock();
      try {
        const [due] = await store.takeDueLookups(1);
        isBusy = due !== undefined;
        if (!due) await rest(restMs);
        else {
          const isAnswered = await reconcileDue(due, services);
          failures = isAnswered ? 0 : failures + 1;
          // While the upstream is unreachable, the pause grows and the attempt does not count in the average.
          await rest(isAnswered && isIdle(rateLimiter) ? fastMs : Math.min(slowMs * 2 ** failures, failedMaxMs));
          if (isAnswered) tookMs += weight * (clock() - sinceMs - tookMs);
        }
      } catch (error) {
        onFault(error);
        await rest(slowMs);
      }
    }
  };

  return {
    start: () => {
      running ??= run();
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
    wake: () => resting.abort(),
    estimateMs: (attempts) => Math.ceil(attempts * tookMs * margin),
    isBusy: () => isBusy,
  };
}

/** Returns whether the upstream answered. */
async function reconcileDue(
  due: DueMessage,
  { store, reconciler, onFault }: ReconcileWorkerServices,
): Promise<boolean> {
  const group = [due, ...(due.to === undefined ? [] : await store.takeDueOfRecipient(due, besideMax))];
  const ids = group.map(({ id }) => id);
  try {
    const context = { connection: due.connectionId, priority: backgroundPriority };
    if (group.length > 1) await reconciler.reconcileTogether(group, context);
    else if (await reconciler.reconcile(due, context, due.lookup)) return true;
  } catch (error) {
    onFault(error);
    const isOver = !isPassing(error);
    await store.recordLookups(ids, isOver ? 'done' : 'failed');
    return isOver;
  }
  await store.recordLookups(ids, 'done');
  return true;
}

/** Whether a read now would delay other calls by no more than its own slot. */
const isIdle = (rateLimiter: RateLimiter | undefined): boolean =>
  rateLimiter === undefined || rateLimiter.expectedWaitMs(permitRequestOf('getMessages', backgroundPriority)) <= fastMs;
