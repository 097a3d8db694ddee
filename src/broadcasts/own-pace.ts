import { sleep } from '../lib/sleep.ts';
import type { BroadcastStore } from '../store/broadcast-store.ts';
import { StoreError } from '../store/errors.ts';
import { retryWhileStoreFails } from '../store/retry-while-store-fails.ts';
import type { RunningBroadcast } from './claims.ts';

/** The recipients of this many seconds go out in one call, because each call counts against the account's rate limit. */
const togetherS = 5;

/** Number of recipients per call of a broadcast with `perMinute`. */
const recipientsTogether = (perMinute: number, batchMax: number): number =>
  Math.min(batchMax, Math.max(1, Math.floor((perMinute * togetherS) / 60)));

interface PaceServices {
  store: Pick<BroadcastStore, 'takePace'>;
  closing: AbortSignal;
  batchMax: number;
}

/**
 * Waits until `perMinute` of a broadcast allows more recipients to be claimed, and resolves with their number; at once if it has
 * no pace of its own. Resolves with undefined if the process ends first.
 */
export async function waitForPace(
  { id, perMinute }: Pick<RunningBroadcast, 'id' | 'perMinute'>,
  { store, closing, batchMax }: PaceServices,
): Promise<number | undefined> {
  if (perMinute === undefined) return batchMax;
  const recipients = recipientsTogether(perMinute, batchMax);
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
