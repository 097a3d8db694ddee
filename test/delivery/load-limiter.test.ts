import { expect, test } from 'vitest';
import { createRoom } from '../../src/delivery/admission/load-limiter.ts';

/** A room by a clock and a load that the test sets. */
function scene() {
  let now = 0;
  let busy = 0;
  const room = createRoom({
    max: 1_000,
    min: 100,
    clock: () => now,
    utilization: () => ({ idle: 0, active: 0, utilization: busy }),
  });
  return {
    room,
    after: (ms: number, share: number) => {
      busy = share;
      for (let step = 0; step < ms; step += 50) {
        now += 50;
        void room.size;
      }
      return room.size;
    },
    asleep: (ms: number) => {
      busy = 0.01;
      now += ms;
      return room.size;
    },
  };
}

test('the room for sends is all that there is while the event loop has rest', () => {
  const { room, after } = scene();
  expect(room.size).toBe(1_000);
  expect(after(5_000, 0.7)).toBe(1_000);
});

test('the room for sends shrinks while the event loop has no rest, never to nothing, and comes back', () => {
  const { after } = scene();
  const second = after(1_000, 0.99);
  expect(second).toBeLessThan(600);
  expect(second).toBeGreaterThan(300);
  expect(after(10_000, 0.99)).toBe(100);
  expect(after(1_000, 0.5)).toBeGreaterThan(200);
  expect(after(10_000, 0.5)).toBe(1_000);
});

test('the room for sends is whole again after a rest, for the next burst', () => {
  const { after, asleep } = scene();
  after(10_000, 0.99);
  expect(asleep(2_000)).toBe(1_000);
});
