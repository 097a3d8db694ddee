import type { BroadcastStore } from '../store/broadcast-store.ts';

export interface PaceServices {
  store: Pick<BroadcastStore, 'listRunningBroadcasts'>;
  /** Recipients per minute of all broadcasts together, at the present rate. */
  sharedPerMinute: () => number;
}

/** Maximum number of running broadcasts that are counted. */
const runningMax = 100;

/** Returns the recipients per minute that a broadcast can expect beside the running ones. */
export async function expectedPerMinute(
  { store, sharedPerMinute }: PaceServices,
  { perMinute = Number.POSITIVE_INFINITY, isRunning }: { perMinute?: number | undefined; isRunning: boolean },
): Promise<number> {
  const running = (await store.listRunningBroadcasts(runningMax)).length;
  const sharing = Math.max(1, isRunning ? running : running + 1);
  return Math.max(1, Math.min(perMinute, sharedPerMinute() / sharing));
}

/** Seconds, rounded up. */
export const durationS = (recipients: number, perMinute: number): number => Math.ceil((recipients / perMinute) * 60);
