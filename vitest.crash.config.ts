import { defineConfig } from 'vitest/config';

/**
 * Processes that are killed, stopped and starved. `.ci/crash` runs what needs strace and libfaketime (`*.crash.ts`),
 * `.ci/postgres` what needs a PostgreSQL that may be restarted (`*.postgres.ts`), `.ci/scale` what needs haproxy as well
 * (`*.scale.ts`), `.ci/framing` what needs proxies (`*.proxy.ts`), `.ci/slow` what needs slowhttptest (`*.slow.ts`); each names its files.
 */
export default defineConfig({
  test: {
    dir: 'test/crash',
    include: ['*.crash.ts', '*.postgres.ts', '*.scale.ts', '*.proxy.ts', '*.slow.ts'],
    testTimeout: 900_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // What every test prints is a result: seeds and counts.
    disableConsoleIntercept: true,
  },
});
