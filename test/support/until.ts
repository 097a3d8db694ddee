import { vi } from 'vitest';

/** Waits for a condition as long as a busy machine may take. Also for tests beside others, where expect.poll cannot be. */
export const until = (holds: () => boolean | Promise<boolean>): Promise<boolean> =>
  vi.waitUntil(holds, { timeout: 20_000, interval: 10 });
