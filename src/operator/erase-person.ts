import { setImmediate } from 'node:timers/promises';
import type { OperatorStore } from '../store/operator-store.ts';
import type { PersonCount, PersonStore } from '../store/person-store.ts';
import type { TrackingStore } from '../store/tracking-store.ts';

/** Rows of one commit: it holds up the event loop for as long as it takes. */
const batch = 500;

export interface Erasure {
  /** What was found, by caller and state. */
  found: PersonCount[];
  /** Conversations of this person that were found, on any connection. */
  conversations: number;
  /** Webhooks that name it and were not applied yet. */
  webhooks: number;
  /** Events of callers about this person that were found, told or not. */
  events: number;
  cancelled: number;
  erased: number;
  /** What is kept still. */
  left: PersonCount[];
}

interface Ask {
  /** As it is recorded: digits, a contact id or a BSUID. */
  to: string;
  dryRun: boolean;
  /** Of each kind; what it does not reach is left. */
  batchesMax?: number;
  /** Told of what has been done so far, also where the store fails on the way. */
  onProgress?: (done: Pick<Erasure, 'cancelled' | 'erased'>) => void;
}

/**
 * Finds what is kept of one person over all callers; cancels what is queued, then deletes what has ended, and what is known of
 * its conversations. What is on the wire stays until its outcome is known, for the one who sent it waits for that. `scrub` is to follow.
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
      // SQLite answers before it returns: others get their turn in between.
      await setImmediate();
    }
    return counts;
  };

  const found = await count(await store.listCallers());
  const { conversations, waiting: webhooks, events } = await store.countPersonTracking(to);
  const done = { cancelled: 0, erased: 0 };
  if (dryRun) return { found, conversations, webhooks, events, ...done, left: found };

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
  // All that is queued first: what is deleted meanwhile could not be counted as cancelled any more.
  for (const caller of callers) await inBatches('cancelled', () => store.cancelPerson(caller, to, batch));
  batches = 0;
  for (const caller of callers) await inBatches('erased', () => store.erasePerson(caller, to, batch));
  await store.erasePersonTracking(to);
  return { found, conversations, webhooks, events, ...done, left: await count(await store.listCallers()) };
}
