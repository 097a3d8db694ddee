import { sleep } from '../lib/sleep.ts';
import type { BroadcastStore } from '../store/broadcast-store.ts';
import { StoreError } from '../store/errors.ts';
import { retryWhileStoreFails } from '../store/retry-while-store-fails.ts';
import type { RunningBroadcast } from './claims.ts';

/** Recipients of so many seconds go out together, because each call counts against what the account may call. */
const togetherS = 5;

/** How many recipients of a broadcast with a pace of its own go out in one call. */
export const recipientsTogether = (perMinute: number, batchMax: number): number =>
  Math.min(batchMax, Math.max(1, Math.floor((perMinute * togetherS) / 60)));

interface PaceServices {
  store: Pick<BroadcastStore, 'takePace'>;
  closing: AbortSignal;
  batchMax: number;
}

/**
 * Waits until the pace of a broadcast lets more recipients be claimed, and resolves with how many; without a pace of its own at
 * once. Undefined: the process ends first.
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
