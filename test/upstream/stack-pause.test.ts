import { expect, test } from 'vitest';
import { createStackPause } from '../../src/upstream/stack-pause.ts';

const hasStack = () => (new Error('here').stack ?? '').includes('\n');
const tick = () => new Promise<void>((resolve) => process.nextTick(resolve));

test('errors have no stack until the next tick, and have it again then', async () => {
  expect(hasStack()).toBe(true);
  createStackPause()();
  expect(hasStack()).toBe(false);
  await tick();
  expect(hasStack()).toBe(true);
});

test('stacks come back though several answers ended in one tick', async () => {
  const limit = Error.stackTraceLimit;
  const pause = createStackPause();
  for (let answers = 0; answers < 3; answers += 1) pause();
  await tick();
  expect(Error.stackTraceLimit).toBe(limit);
  pause();
  expect(hasStack()).toBe(false);
  await tick();
  expect(Error.stackTraceLimit).toBe(limit);
});
