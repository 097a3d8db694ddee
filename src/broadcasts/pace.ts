import type { BroadcastStore } from '../store/broadcast-store.ts';

export interface PaceServices {
  store: Pick<BroadcastStore, 'listRunningBroadcasts'>;
  /** Calls per minute of all broadcasts together, at the present rate. */
  callsPerMinute: () => number;
  /** Recipients that a call over a connection may have now. */
  batchSize: (connection: string) => number;
}

interface Planned {
  connection: string;
  perMinute?: number | undefined;
  isRunning: boolean;
}

/** Maximum number of running broadcasts that are counted. */
const runningMax = 100;

/** Returns the recipients per minute that a broadcast can expect beside the running ones. */
export async function expectedPerMinute(
  { store, callsPerMinute, batchSize }: PaceServices,
  { connection, perMinute = Number.POSITIVE_INFINITY, isRunning }: Planned,
): Promise<number> {
  const running = (await store.listRunningBroadcasts(runningMax)).length;
  const sharing = Math.max(1, isRunning ? running : running + 1);
  return Math.max(1, Math.min(perMinute, (callsPerMinute() * batchSize(connection)) / sharing));
}

/** Seconds, rounded up. */
export const durationS = (recipients: number, perMinute: number): number => Math.ceil((recipients / perMinute) * 60);
