import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { StoreError } from '../../src/store/errors.ts';
import { retryDeadlocks } from '../../src/store/sql/deadlocks.ts';
import { NaturalBatch } from '../../src/store/sql/natural-batch.ts';

/** Creates a database that answers when the test says so. */
function heldWrites() {
  const writes: { items: readonly number[]; answer: (how: string | Error) => void }[] = [];
  const write = (items: readonly number[]) =>
    new Promise<string>((resolve, reject) => {
      writes.push({ items, answer: (how) => (how instanceof Error ? reject(how) : resolve(how)) });
    });
  return { writes, write };
}

test('writes that are requested during another one share the next one, as many as fit, and each gets its own result', async () => {
  const { writes, write } = heldWrites();
  const batches = new NaturalBatch(write, 4);
  const answers = [batches.add([1]), batches.add([2])];
  await expect.poll(() => writes.length).toBe(1);
  answers.push(batches.add([3, 4]), batches.add([5, 6, 7]), batches.add([8, 9, 10, 11, 12]), batches.add([13]));
  const settled = Promise.allSettled(answers);
  for (const [n, how] of ['first', new Error('full disk'), 'third', 'fourth', 'fifth'].entries()) {
    await expect.poll(() => writes.length).toBe(n + 1);
    writes[n]?.answer(how);
  }
  expect(writes.map(({ items }) => items)).toEqual([[1, 2], [3, 4], [5, 6, 7], [8, 9, 10, 11, 12], [13]]);
  expect((await settled).map((each) => (each.status === 'fulfilled' ? each.value : each.reason.message))).toEqual([
    ...['first', 'first', 'full disk', 'third', 'fourth', 'fifth'],
  ]);
  const later = batches.add([14]);
  await expect.poll(() => writes.length).toBe(6);
  writes[5]?.answer('sixth');
  expect(await later).toBe('sixth');
});

test('what is asked in the rest after a write goes into the next one, and what comes after it is written at once', async () => {
  const { writes, write } = heldWrites();
  const rests: (() => void)[] = [];
  const batches = new NaturalBatch(write, 4, () => new Promise<void>((resolve) => rests.push(resolve)));
  const answers = [batches.add([1])];
  await expect.poll(() => writes.length).toBe(1);
  writes[0]?.answer('first');
  await expect.poll(() => rests.length).toBe(1);
  answers.push(batches.add([2]));
  await setImmediate();
  answers.push(batches.add([3]));
  expect(writes).toHaveLength(1);
  rests[0]?.();
  await expect.poll(() => writes.length).toBe(2);
  writes[1]?.answer('second');
  await expect.poll(() => rests.length).toBe(2);
  rests[1]?.();
  expect(await Promise.all(answers)).toEqual(['first', 'second', 'second']);
  answers.push(batches.add([4]));
  await expect.poll(() => writes.length).toBe(3);
  writes[2]?.answer('third');
  await answers[3];
  expect(writes.map(({ items }) => items)).toEqual([[1], [2, 3], [4]]);
});

test('a transaction that was rolled back for another one is repeated at most three times, and no other is', async () => {
  const deadlock = new StoreError('no', { cause: Object.assign(new Error('deadlock'), { code: '40P01' }) });
  const failing = (times: number, error: Error) => {
    let tries = 0;
    return async () => {
      tries++;
      if (tries <= times) throw error;
      return tries;
    };
  };
  expect(await retryDeadlocks(failing(2, deadlock))).toBe(3);
  await expect(retryDeadlocks(failing(3, deadlock))).rejects.toBe(deadlock);
  const other = new StoreError('no');
  await expect(retryDeadlocks(failing(1, other))).rejects.toBe(other);
});
