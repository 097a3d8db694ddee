import type { Looker } from '../delivery/reconcile/reconcile-worker.ts';
import type { LookProgress, LookStore } from '../store/look-port.ts';

/** How far the search for the unknown recipients of a broadcast is, and when all that are left will have been looked for. */
export type Looks = LookProgress & { estimatedEndAt?: string };

interface LooksServices {
  store: Pick<LookStore, 'lookProgress' | 'looksDue'>;
  looker: Pick<Looker, 'estimateMs'>;
  /** Wall clock, ms. */
  now: () => number;
}

/** More looks than that are not counted for an estimate. */
const dueMax = 100_000;
/** The first look comes so long after the end of a send. */
const firstLookMs = 60_000;

export async function looksOf(id: string, { store, looker, now }: LooksServices): Promise<Looks> {
  const progress = await store.lookProgress(id);
  if (progress.left === 0) return progress;
  // Behind those of others that are due before.
  const ahead = Math.max(progress.left, await store.looksDue(dueMax));
  const endMs = now() + firstLookMs + looker.estimateMs(ahead);
  return { ...progress, estimatedEndAt: new Date(endMs).toISOString() };
}
