import { sleep } from '../../sleep.ts';
import { StoreError } from '../../store/port.ts';

/** Waits for a store that fails, as long as it takes: what was recorded is not given up. */
export async function patiently<Value>(write: () => Promise<Value>, closing: AbortSignal): Promise<Value> {
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof StoreError) || closing.aborted) throw error;
      await sleep(pauseMs, closing);
    }
  }
}
