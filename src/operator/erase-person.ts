import { setImmediate } from 'node:timers/promises';
import type { OperatorStore } from '../store/operator-store.ts';
import type { PersonCount, PersonStore } from '../store/person-store.ts';
import type { TrackingStore } from '../store/tracking-store.ts';

/** Rows per commit, which blocks the event loop meanwhile. */
const batch = 500;

export interface Erasure {
  /** Records that were found, by caller and state. */
  found: PersonCount[];
  /** Conversations of this person that were found, on any connection. */
  conversations: number;
  /** Webhooks that name this person and were not applied yet. */
  webhooks: number;
  cancelled: number;
  erased: number;
  /** What is still kept. */
  left: PersonCount[];
}

interface Ask {
  /** The recipient as it is recorded: digits, a contact id or a BSUID. */
  to: string;
  dryRun: boolean;
  /** The most batches of each kind in one call; the rest is left. */
  batchesMax?: number;
  /** Called with what was done so far, also if the store fails half way. */
  onProgress?: (done: Pick<Erasure, 'cancelled' | 'erased'>) => void;
}

/**
 * Finds what is kept about one person across all callers. Cancels queued messages, then deletes final ones and what is known of
 * the person's conversations. Messages in flight stay until their outcome is known, because their callers wait for it. Call
 * `scrub` afterwards.
 */
export async function erasePerson(
  store: Pick<OperatorStore, 'listCallers'> &
    Omit<PersonStore, 'scrub'> &
    Pick<TrackingStore, 'countPersonTracking' | 'erasePersonTracking'>,
  { to, dryRun, batchesMax = Number.POSITIVE_INFINITY, onProgress = () => {} }: Ask,
): Promise<Erasure> {
  const count = async (callers: readonly string[]): Promise<PersonCount[]> => {
    const counts: PersonCount[] = [];
    for (const caller of callers) {
      counts.push(...(await store.countPerson(caller, to)));
      // SQLite works synchronously, so let other work run in between.
      await setImmediate();
    }
    return counts;
  };

  const found = await count(await store.listCallers());
  const { conversations, waiting: webhooks } = await store.countPersonTracking(to);
  const done = { cancelled: 0, erased: 0 };
  if (dryRun) return { found, conversations, webhooks, ...done, left: found };

  let batches = 0;
  const inBatches = async (name: keyof typeof done, step: () => Promise<number>) => {
    for (; batches < batchesMax; batches++) {
      const rows = await step();
      done[name] += rows;
      onProgress(done);
      await setImmediate();
      if (rows < batch) return;
    }
  };
  const callers = [...new Set(found.map(({ caller }) => caller))];
  // Cancels everything first: a message that is deleted cannot be counted as cancelled.
  for (const caller of callers) await inBatches('cancelled', () => store.cancelPerson(caller, to, batch));
  batches = 0;
  for (const caller of callers) await inBatches('erased', () => store.erasePerson(caller, to, batch));
  await store.erasePersonTracking(to);
  return { found, conversations, webhooks, ...done, left: await count(await store.listCallers()) };
}
