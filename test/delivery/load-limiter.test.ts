import { expect, test } from 'vitest';
import { createSendsPool } from '../../src/delivery/admission/admission.ts';
import { createLoadLimiter } from '../../src/delivery/admission/load-limiter.ts';

/** A limiter with a clock and a load that the test sets. */
function scene() {
  let now = 0;
  let busy = 0;
  const limiter = createLoadLimiter({
    max: 1_000,
    min: 100,
    clock: () => now,
    utilization: () => ({ idle: 0, active: 0, utilization: busy }),
  });
  return {
    limiter,
    after: (ms: number, share: number) => {
      busy = share;
      for (let step = 0; step < ms; step += 50) {
        now += 50;
        void limiter.limit;
      }
      return limiter.limit;
    },
    asleep: (ms: number) => {
      busy = 0.01;
      now += ms;
      return limiter.limit;
    },
  };
}

test('the limit of messages in delivery is at its maximum while the event loop is idle', () => {
  const { limiter, after } = scene();
  expect(limiter.limit).toBe(1_000);
  expect(after(5_000, 0.7)).toBe(1_000);
});

test('the limit shrinks while the event loop is saturated, never below its minimum, and grows again', () => {
  const { after } = scene();
  const second = after(1_000, 0.99);
  expect(second).toBeLessThan(600);
  expect(second).toBeGreaterThan(300);
  expect(after(10_000, 0.99)).toBe(100);
  expect(after(1_000, 0.5)).toBeGreaterThan(200);
  expect(after(10_000, 0.5)).toBe(1_000);
});

test('the limit is at its maximum again after an idle period, for the next burst', () => {
  const { after, asleep } = scene();
  after(10_000, 0.99);
  expect(asleep(2_000)).toBe(1_000);
});

test('as many messages are in delivery as fill three of the largest batches, and never fewer than a thousand', () => {
  expect([1, 200, 1_000].map((largest) => createSendsPool(largest).reading().size)).toEqual([1_000, 1_000, 3_000]);
});
