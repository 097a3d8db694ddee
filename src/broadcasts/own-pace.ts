import { sleep } from '../lib/sleep.ts';
import type { BroadcastStore } from '../store/broadcast-store.ts';
import { StoreError } from '../store/errors.ts';
import { retryWhileStoreFails } from '../store/retry-while-store-fails.ts';
import type { RunningBroadcast } from './claims.ts';

/** The recipients of this many seconds go out in one call, because each call counts against the account's rate limit. */
const togetherS = 5;

/** Number of recipients per call of a broadcast with `perMinute`, whose calls may have `limit`. */
export const recipientsTogether = (perMinute: number, limit: number): number =>
  Math.min(limit, Math.max(1, Math.floor((perMinute * togetherS) / 60)));

interface PaceServices {
  store: Pick<BroadcastStore, 'takePace'>;
  closing: AbortSignal;
  /** Recipients that a call may have now. */
  limit: number;
}

/**
 * Waits until `perMinute` of a broadcast allows more recipients to be claimed, and resolves with their number; at once and with
 * Infinity if it has no pace of its own. Resolves with undefined if the process ends first.
 */
export async function waitForPace(
  { id, perMinute }: Pick<RunningBroadcast, 'id' | 'perMinute'>,
  { store, closing, limit }: PaceServices,
): Promise<number | undefined> {
  if (perMinute === undefined) return Number.POSITIVE_INFINITY;
  const recipients = recipientsTogether(perMinute, limit);
  while (!closing.aborted) {
    const waitMs = await retryWhileStoreFails(() => store.takePace(id, recipients), closing).catch((failure) => {
      if (!(failure instanceof StoreError)) throw failure;
      return undefined;
    });
    if (waitMs === undefined) return undefined;
    if (waitMs === 0) return recipients;
    await sleep(waitMs, closing);
  }
  return undefined;
}
