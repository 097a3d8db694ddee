import type { BroadcastStore } from '../store/broadcast-store.ts';

export interface PaceServices {
  store: Pick<BroadcastStore, 'listRunningBroadcasts'>;
  /** Recipients a minute of all broadcasts together, at the present pace. */
  sharedPerMinute: () => number;
}

/** More running broadcasts than these are not counted. */
const runningMax = 100;

/** The recipients a minute that a broadcast may expect beside those that run. */
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
