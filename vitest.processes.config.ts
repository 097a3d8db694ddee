import { defineConfig } from 'vitest/config';

/** What starts the programs themselves and watches them come up, be killed and go down: `npm run test:processes`. */
export default defineConfig({
  test: {
    dir: 'test',
    include: ['**/*.process.ts'],
    testTimeout: 60_000,
    hookTimeout: 20_000,
    maxWorkers: 2,
    // Each of them starts a process, and some tell by the clock.
    maxConcurrency: 4,
  },
});
