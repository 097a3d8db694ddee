import { expect, it } from 'vitest';
import { SharedPool } from '../../src/pools/shared-pool.ts';

const poolOf = (size: number) => {
  let now = 0;
  const pool = new SharedPool({ name: 'uploads', size: () => size, clock: () => now });
  const wait = (ms: number) => {
    now += ms;
  };
  return { pool, wait };
};

/** How many of `n` pieces a holder gets. */
const takeMany = (pool: SharedPool, holder: string, n: number) =>
  Array.from({ length: n }, () => pool.take(holder)).filter((taken) => typeof taken === 'function');

it('gives half to a single holder, so that there is capacity for the next', () => {
  const { pool } = poolOf(64);
  expect(takeMany(pool, 'greedy', 64)).toHaveLength(32);
  expect(pool.take('greedy')).toBe('share-spent');
  expect(pool.take('other')).toBeTypeOf('function');
});

it('gives a quarter to each of several active holders, and the first piece to anyone as long as there is capacity', () => {
  const { pool } = poolOf(8);
  const first = takeMany(pool, 'a', 1);
  expect(takeMany(pool, 'b', 8)).toHaveLength(2);
  for (const release of first) release();
  expect(takeMany(pool, 'c', 8)).toHaveLength(2);
  for (const holder of ['d', 'e', 'f', 'g']) expect(pool.take(holder)).toBeTypeOf('function');
  expect(pool.take('h')).toBe('pool-full');
  expect(pool.reading().refused['pool-full']).toBe(1);
});

it('counts a refused holder as active for ten seconds', () => {
  const { pool, wait } = poolOf(8);
  const [release] = takeMany(pool, 'b', 1);
  release?.();
  expect(takeMany(pool, 'a', 8)).toHaveLength(2);
  wait(10_001);
  expect(takeMany(pool, 'a', 8)).toHaveLength(2);
});

it('releases a piece once, however often its release is called', () => {
  const { pool } = poolOf(8);
  const [release] = takeMany(pool, 'a', 2);
  release?.();
  release?.();
  expect([pool.used, pool.usedBy('a')]).toEqual([1, 1]);
});
