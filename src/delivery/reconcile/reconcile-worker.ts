import { Problem } from '../../problem.ts';
import { sleep } from '../../sleep.ts';
import type { DueSend, LookStore } from '../../store/look-port.ts';
import { askOf, type Pace, type Turn } from '../../upstream/pace.ts';
import type { Reconciler } from './reconciler.ts';

/**
 * Looks for unknown sends when they are due, one after another: at the pace that the budget leaves idle, and no slower than one
 * in two seconds where others want all of it. The store says in which order: one of each lost call comes first.
 */
export interface Looker {
  start(): void;
  /** Resolves when the look under way is over. */
  stop(): Promise<void>;
  /** Something may be due sooner than was thought. */
  nudge(): void;
  /** How long so many looks take, ms: what they took so far, and half of that. Until one was made, the slowest pace counts. */
  estimateMs(looks: number): number;
}

/** Where it reads the time, and how it waits. */
export interface LookClock {
  /** Steady ms. */
  clock: () => number;
  wait: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

interface LookerServices extends Partial<LookClock> {
  store: LookStore;
  reconciler: Reconciler;
  /** Absent: there is no limit. */
  pace?: Pace;
  /** A look failed; it is made again. */
  onFault: (error: unknown) => void;
}

/** Reads share the budget of the sends: one in two seconds where others wait, five a second where nobody does. */
const slowMs = 2_000;
const fastMs = 200;
/** How soon it is seen that something is due. */
const restMs = 1_000;
/** From one look to the next, while the upstream cannot be asked. */
const failedMaxMs = 60_000;
/** Of one person, looked for by one read. */
const besideMax = 50;
/** How much the last look counts in what one takes. */
const weight = 0.1;
const margin = 1.5;

export function createLooker(services: LookerServices): Looker {
  const { store, reconciler, pace, onFault, clock = () => performance.now(), wait = sleep } = services;
  const stopping = new AbortController();
  let running: Promise<void> | undefined;
  let resting = new AbortController();
  let tookMs = slowMs;
  let failures = 0;

  const rest = (ms: number) => {
    resting = new AbortController();
    return wait(ms, AbortSignal.any([stopping.signal, resting.signal]));
  };

  /** Answers whether the upstream could be asked. */
  const lookAt = async (due: DueSend): Promise<boolean> => {
    const group = [due, ...(due.to === undefined ? [] : await store.dueBeside(due, besideMax))];
    const ids = group.map(({ id }) => id);
    try {
      const context = { connection: due.connectionId, turn };
      if (group.length > 1) await reconciler.lookTogether(group, context);
      else if (await reconciler.look(due, context, due.look)) return true;
    } catch (error) {
      onFault(error);
      const isPassing = error instanceof Problem && passing.has(error.slug);
      await store.looked(ids, isPassing ? 'failed' : 'done');
      return !isPassing;
    }
    await store.looked(ids, 'done');
    return true;
  };

  const run = async () => {
    while (!stopping.signal.aborted) {
      const sinceMs = clock();
      try {
        const [due] = await store.dueForReconcile(1);
        if (!due) await rest(restMs);
        else {
          const isAnswered = await lookAt(due);
          failures = isAnswered ? 0 : failures + 1;
          // What is not there is not asked in haste, and says nothing of the pace.
          await rest(isAnswered && isIdle(pace) ? fastMs : Math.min(slowMs * 2 ** failures, failedMaxMs));
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
    nudge: () => resting.abort(),
    estimateMs: (looks) => Math.ceil(looks * tookMs * margin),
  };
}

/** The upstream could not be asked, whoever it was about. */
const passing: ReadonlySet<string> = new Set([
  'rate-limited',
  'quota-spent',
  'connection-unusable',
  'upstream-unauthorized',
  'upstream-unavailable',
  'upstream-timeout',
]);

/** Behind everybody who waits for an answer. */
const turn: Turn = { caller: 'wati-bff', lane: 'broadcast' };

/** A call that others wait for would be held up by no more than its own slot. */
const isIdle = (pace: Pace | undefined): boolean =>
  pace === undefined || pace.expectedWaitMs(askOf('getMessages', turn)) <= fastMs;
