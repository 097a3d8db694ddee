import { defineConfig } from 'vitest/config';

/**
 * What measures real time or throughput, with slack and one repeat: `npm run test:timing`. One file after the other, so that
 * they do not measure each other.
 */
export default defineConfig({
  test: {
    dir: 'test',
    include: ['**/*.timing.ts'],
    testTimeout: 60_000,
    hookTimeout: 20_000,
    fileParallelism: false,
    retry: 1,
    expect: { poll: { timeout: 20_000, interval: 10 } },
  },
});
