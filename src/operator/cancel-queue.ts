import { setImmediate } from 'node:timers/promises';
import type { OperatorStore } from '../store/operator-store.ts';

/** Rows per commit; a SQLite commit blocks the event loop. */
const batch = 500;
/** The most batches of one request, which waits for them: some seconds of work. */
const batchesMax = 100;

/**
 * Cancels the broadcasts of a caller and then its queued single messages, in batches. `about` is updated after each batch, so
 * that it is right even if the store fails half way.
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
