import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Without it, the compiled tests of a build would run as well.
    dir: 'test',
    include: ['**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    reporters: ['default', './test/closing-line.ts'],
  },
});
