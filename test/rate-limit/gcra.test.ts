import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { acquire, type Rate } from '../../src/rate-limit/gcra.ts';

/** Asks at each time of a steady clock; answers the times at which a permit was granted. */
function grants(rate: Rate, gaps: number[]): number[] {
  let arrivalTime = 0;
  let now = 1_000;
  return gaps.flatMap((gap) => {
    now += gap;
    const permit = acquire(arrivalTime, now, rate);
    arrivalTime = permit.arrivalTime;
    return permit.waitMs === 0 ? [now] : [];
  });
}

const rate = fc.record({
  perSecond: fc.double({ min: 0.1, max: 1_000, noNaN: true }),
  burst: fc.integer({ min: 1, max: 50 }),
});
const gaps = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 5_000 })), {
  maxLength: 120,
});

describe('permits', () => {
  it('are never more than burst + rate * t in any period', () => {
    fc.assert(
      fc.property(rate, gaps, (rate, gaps) => {
        const times = grants(rate, gaps);
        for (const [from, start] of times.entries()) {
          for (const [offset, end] of times.slice(from).entries()) {
            const most = rate.burst + (rate.perSecond * (end - start)) / 1_000;
            if (offset + 1 > most + 1e-6) return false;
          }
        }
        return true;
      }),
      { numRuns: 300 },
    );
  });

  it('are granted after the announced wait, and not a millisecond before', () => {
    fc.assert(
      fc.property(rate, gaps, (rate, gaps) => {
        let arrivalTime = 0;
        let now = 1_000;
        for (const gap of gaps) {
          now += gap;
          const { arrivalTime: next, waitMs } = acquire(arrivalTime, now, rate);
          arrivalTime = next;
          if (waitMs === 0) continue;
          expect(acquire(arrivalTime, now + waitMs, rate).waitMs).toBe(0);
          if (waitMs > 1) expect(acquire(arrivalTime, now + waitMs - 1, rate).waitMs).toBeGreaterThan(0);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('are not taken by a refusal', () => {
    const rate = { perSecond: 10, burst: 1 };
    const first = acquire(0, 1_000, rate);
    expect(first).toEqual({ arrivalTime: 1_100, waitMs: 0 });
    expect(acquire(first.arrivalTime, 1_040, rate)).toEqual({ arrivalTime: 1_100, waitMs: 60 });
    expect(acquire(first.arrivalTime, 1_100, rate)).toEqual({ arrivalTime: 1_200, waitMs: 0 });
  });

  it('are granted as a burst after a pause, then evenly', () => {
    expect(grants({ perSecond: 10, burst: 3 }, [0, 0, 0, 0, 0, 100, 0, 50, 50])).toEqual([
      1_000, 1_000, 1_000, 1_100, 1_200,
    ]);
  });
});
