import { StoreError } from '../errors.ts';

/** Runs at most so many writes at once, the others after them in order. One that waits for longer than this is not run: it fails. */
export function fewAtOnce(max: number, waitMaxMs: number): <T>(write: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (write) => {
    const cameMs = performance.now();
    if (running < max) running++;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      if (performance.now() - cameMs <= waitMaxMs) return await write();
      throw new StoreError('the store could not write: others hold what it needs', { notCommitted: true });
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
