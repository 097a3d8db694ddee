import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createReadiness } from '../../src/readiness.ts';
import type { Connections } from '../../src/upstream/connections.ts';

const unused = () => Promise.reject(new Error('not expected'));
const connections: Connections = {
  recent: async () => [{ id: 'c', status: 'ACTIVE', createdAt: '', updatedAt: '' }],
  ...{ known: undefined, list: unused, create: unused, get: unused, remove: unused },
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a store that does not answer counts as failing after five seconds, and is not asked again until it answers', async () => {
  const asked: PromiseWithResolvers<void>[] = [];
  const store = {
    check: () => {
      const one = Promise.withResolvers<void>();
      asked.push(one);
      return one.promise;
    },
    countPausedByService: async () => 1,
  };
  const readiness = createReadiness(connections, 'c', {
    store,
    stopSwitch: { stopped: { all: false, callers: [], connections: [] } },
    pin: { otherThan: async () => undefined },
    matonKey: () => 'key',
    hasRecovered: () => true,
  });
  const checks = [readiness.check()];
  await vi.advanceTimersByTimeAsync(4_000);
  checks.push(readiness.check());
  await vi.advanceTimersByTimeAsync(1_000);
  checks.push(readiness.check());
  await vi.advanceTimersByTimeAsync(0);
  for (const check of checks) expect(await check).toMatchObject({ status: 'not-ready', store: 'failing' });
  expect(asked).toHaveLength(1);

  asked[0]?.resolve();
  await vi.advanceTimersByTimeAsync(0);
  const recovered = readiness.check();
  asked[1]?.resolve();
  await vi.advanceTimersByTimeAsync(0);
  expect(await recovered).toMatchObject({ status: 'ready', store: 'writable', broadcasts: 'held' });
  expect(asked).toHaveLength(2);
});
