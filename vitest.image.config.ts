import { defineConfig } from 'vitest/config';

/** What needs the built image and podman; `.ci/image` makes both ready. */
export default defineConfig({
  test: {
    dir: 'test/image',
    include: ['*.image.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The figures that every test prints are a result, and are not to be those of two at once.
    fileParallelism: false,
    disableConsoleIntercept: true,
  },
});
