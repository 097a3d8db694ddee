import { sleep } from '../lib/sleep.ts';
import { StoreError } from './errors.ts';

/** Repeats a store operation until it succeeds or the process ends, because a recorded message is not given up. */
export async function retryWhileStoreFails<Value>(write: () => Promise<Value>, closing: AbortSignal): Promise<Value> {
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof StoreError) || closing.aborted) throw error;
      await sleep(pauseMs, closing);
    }
  }
}
