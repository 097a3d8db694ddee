import { describe, expect, it } from 'vitest';
import { RateLimitTimeoutError } from '../../src/rate-limit/types.ts';
import { FakeTime } from './fake-time.ts';
import { bench } from './traffic.ts';

function aAbort(aborts: AbortController[]): AbortSignal {
  const abort = new AbortController();
  aborts.push(abort);
  return abort.signal;
}

describe('fifty thousand queued requests', () => {
  it.each([3, 20, 50_000])(
    'of %i callers, some of them aborted, are granted in turn, and none is lost',
    async (callers) => {
      const time = new FakeTime();
      const { budget } = bench({ perSecond: 10 }, time);
      const aborts: AbortController[] = [];
      let [granted, spent] = [0, 0];
      const taken = Array.from({ length: 50_000 }, (_, n) =>
        budget
          .acquire({
            lane: 'broadcast',
            caller: `c${n % callers}`,
            deadline: time.now + 50_000_000 + (n % 1_000),
            ...(n % 10 === 0 && { signal: aAbort(aborts) }),
          })
          .then(
            () => granted++,
            (error: unknown) => (error instanceof RateLimitTimeoutError ? spent++ : undefined),
          ),
      );
      await time.run(60_000);
      for (const abort of aborts) abort.abort();
      expect([granted > 540, spent, budget.stats().lanes.broadcast.queued > 44_000]).toEqual([true, 0, true]);
      budget.close();
      await Promise.all(taken);
    },
  );
});
