import type { ReconcileWorker } from '../delivery/reconcile/reconcile-worker.ts';
import type { LookupProgress, ReconcileStore } from '../store/reconcile-store.ts';

/** The progress of reconciling the unknown messages of a broadcast, and when the rest will be done. */
export type ReconcileProgress = LookupProgress & { estimatedEndAt?: string };

interface ProgressServices {
  store: Pick<ReconcileStore, 'reconcileProgress' | 'countDueLookups'>;
  reconcileWorker: Pick<ReconcileWorker, 'estimateMs'>;
  /** Wall clock in ms. */
  now: () => number;
}

/** The most due attempts that are counted for an estimate. */
const dueMax = 100_000;
/** Time from the end of a message to its first reconciliation. */
const firstLookMs = 60_000;

export async function reconcileProgressOf(
  id: string,
  { store, reconcileWorker, now }: ProgressServices,
): Promise<ReconcileProgress> {
  const progress = await store.reconcileProgress(id);
  if (progress.left === 0) return progress;
  // Attempts for other messages that are due earlier come first.
  const ahead = Math.max(progress.left, await store.countDueLookups(dueMax));
  const endMs = now() + firstLookMs + reconcileWorker.estimateMs(ahead);
  return { ...progress, estimatedEndAt: new Date(endMs).toISOString() };
}
