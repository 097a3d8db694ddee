import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Without it, the compiled tests of a build would run as well.
    dir: 'test',
    include: ['**/*.test.ts'],
    // 100 MB through three processes on two busy cores.
    testTimeout: 60_000,
    hookTimeout: 20_000,
    // Most of the time is spent waiting for deadlines and retries, not computing.
    maxWorkers: 5,
    // Nothing of the service lives in a module, so files may share a worker and what it has loaded.
    isolate: false,
    maxConcurrency: 12,
    reporters: ['default', './test/closing-line.ts'],
  },
});
