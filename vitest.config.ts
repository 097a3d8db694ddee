import { defineConfig } from 'vitest/config';

/** `dir`, because the compiled tests of a build would run as well without it. */
const common = { dir: 'test', testTimeout: 60_000, hookTimeout: 20_000 };
/** A condition is waited for as long as a busy machine may take, and seen soon after it holds. */
const poll = { timeout: 20_000, interval: 10 };

/** Against the app in this process. */
const inProcess = {
  ...common,
  expect: { poll },
  // Much of the time is spent waiting for deadlines and retries, not computing.
  maxWorkers: 5,
  // What of the service lives in a module is known by identity, as an answer (src/lib/memoize.ts, forgotten in the same turn) or
  // a socket (plugins/), or is true for ever, as a day in words; so files may share a worker and what it has loaded.
  isolate: false,
  // A larger young generation: the collector otherwise takes an eighth of the time.
  execArgv: ['--max-semi-space-size=32'],
  maxConcurrency: 12,
};

/** One kind of test each, told by the suffix; CONTRIBUTING.md says what each kind is and needs. */
const projects = [
  { test: { ...inProcess, name: 'unit', include: ['**/*.test.ts'] } },
  { test: { ...inProcess, name: 'thorough', include: ['**/*.thorough.ts'] } },
  // Each test starts a process, and some read the clock.
  { test: { ...common, name: 'processes', include: ['**/*.process.ts'], maxWorkers: 2, maxConcurrency: 4 } },
  // One file after the other, so that they do not measure each other.
  {
    test: {
      ...common,
      name: 'timing',
      include: ['**/*.timing.ts'],
      fileParallelism: false,
      retry: 1,
      expect: { poll },
    },
  },
  // Processes that are killed, stopped and starved. Each file needs programs of its own, so a script of `.ci` names it.
  {
    test: {
      ...common,
      name: 'crash',
      include: ['crash/*.{crash,postgres,scale,proxy,slow}.ts'],
      testTimeout: 900_000,
      hookTimeout: 60_000,
      maxWorkers: 2,
      // What every test prints is a result: seeds and counts.
      disableConsoleIntercept: true,
    },
  },
  // The built image, in podman.
  {
    test: {
      ...common,
      name: 'image',
      include: ['image/*.image.ts'],
      hookTimeout: 60_000,
      // The figures that every test prints are a result, and are not to be those of two at once.
      fileParallelism: false,
      disableConsoleIntercept: true,
    },
  },
  // Chromium, found by CHROMIUM.
  { test: { ...common, name: 'browser', include: ['browser/*.browser.ts'], hookTimeout: 60_000 } },
];

const test = {
  projects,
  // The one that needs nothing, where the command line names none by `--project`.
  project: 'unit',
  reporters: ['default', './test/support/summary-reporter.ts'],
};

export default defineConfig({ test });
