import { defineConfig } from 'vitest/config';

/** What needs Chromium, found by CHROMIUM; `.ci/browser` installs and names it. */
export default defineConfig({
  test: { dir: 'test/browser', include: ['*.browser.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
});
