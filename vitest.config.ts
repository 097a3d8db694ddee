import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Without it, the compiled tests of a build would run as well.
    dir: 'test',
    include: ['**/*.test.ts'],
    // 100 MB through three processes on two busy cores.
    testTimeout: 60_000,
    hookTimeout: 20_000,
    // A condition is waited for as long as a busy machine may take, and seen soon after it holds.
    expect: { poll: { timeout: 20_000, interval: 10 } },
    // Much of the time is spent waiting for deadlines and retries, not computing.
    maxWorkers: 6,
    // What of the service lives in a module is known by identity, as an answer (src/lib/memoize.ts, forgotten in the same turn) or
    // a socket (plugins/), or is true for ever, as a day in words; so files may share a worker and what it has loaded.
    isolate: false,
    maxConcurrency: 12,
    reporters: ['default', './test/closing-line.ts'],
  },
});
