import { expect, it } from 'vitest';
import { createRateLimiter } from '../../src/rate-limit/outbound-limiter.ts';
import { densest } from './fake-time.ts';

it('by real timers: 64 callers for four seconds, never more than ten in a second, and 85 % used', async () => {
  const budget = createRateLimiter({ perSecond: 10, plan: 'growth' });
  const times: number[] = [];
  const end = performance.now() + 4_000;
  const caller = async (name: string): Promise<void> => {
    while (performance.now() < end) {
      await budget.acquire({ lane: 'interactive', caller: name, deadline: Number.POSITIVE_INFINITY });
      times.push(performance.now());
    }
  };
  const callers = Array.from({ length: 64 }, (_, n) => caller(`c${n}`).catch(() => undefined));
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  budget.close();
  await Promise.all(callers);
  expect(densest(times, 1_000)).toBeLessThanOrEqual(10);
  expect(times.length).toBeGreaterThanOrEqual(34);
});
