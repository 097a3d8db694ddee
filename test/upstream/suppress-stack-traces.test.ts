import { expect, test } from 'vitest';
import { suppressStackTraces } from '../../src/upstream/suppress-stack-traces.ts';

const hasStack = () => (new Error('here').stack ?? '').includes('\n');
const tick = () => new Promise<void>((resolve) => process.nextTick(resolve));

test('errors have no stack until the next tick, and have it again then', async () => {
  expect(hasStack()).toBe(true);
  suppressStackTraces();
  expect(hasStack()).toBe(false);
  await tick();
  expect(hasStack()).toBe(true);
});

test('stacks are collected again although several answers ended in one tick', async () => {
  const limit = Error.stackTraceLimit;
  for (let answers = 0; answers < 3; answers += 1) suppressStackTraces();
  await tick();
  expect(Error.stackTraceLimit).toBe(limit);
  suppressStackTraces();
  expect(hasStack()).toBe(false);
  await tick();
  expect(Error.stackTraceLimit).toBe(limit);
});
