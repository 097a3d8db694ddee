import { setImmediate } from 'node:timers/promises';
import type { OperatorStore } from '../store/operator-store.ts';

/** Rows of one commit: it holds up the event loop for as long as it takes. */
const batch = 500;
/** Some seconds of work: the request is to be answered. */
const batchesMax = 100;

/**
 * Cancels the broadcasts of a caller and then its queued single sends, in batches. `about` has what was cancelled so far, also
 * where the store fails on the way.
 */
export async function cancelQueue(
  store: Pick<OperatorStore, 'cancelQueued' | 'cancelBroadcasts'>,
  caller: string,
  about: Record<string, unknown>,
): Promise<{ messages: number; broadcasts: number; left: boolean }> {
  const broadcasts = await store.cancelBroadcasts(caller);
  about.broadcasts = broadcasts;
  let messages = 0;
  for (let n = 0; n < batchesMax; n++) {
    const cancelled = await store.cancelQueued(caller, batch);
    messages += cancelled;
    about.messages = messages;
    if (cancelled < batch) return { messages, broadcasts, left: false };
    await setImmediate();
  }
  return { messages, broadcasts, left: true };
}
