import { defineConfig, mergeConfig } from 'vitest/config';
import usual from './vitest.config.ts';

/**
 * Matrices, generated neighbours and scans that take long and seldom break: `npm run test:thorough`. As `npm test` in all else.
 */
export default defineConfig({
  test: { ...mergeConfig(usual, {}).test, include: ['**/*.thorough.ts'] },
});
