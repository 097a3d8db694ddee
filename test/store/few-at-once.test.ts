import { expect, test, vi } from 'vitest';
import { fewAtOnce } from '../../src/store/sql/few-at-once.ts';

test('as many run at once as may, the others in order, and one that waited for too long fails without being run', async () => {
  vi.useFakeTimers();
  const few = fewAtOnce(2, 100);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const run = (name: string) =>
    few(() => {
      begun.push(name);
      return new Promise<string>((resolve) => ends.set(name, () => resolve(name)));
    });
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(run);
  expect(begun).toEqual(['a', 'b']);
  ends.get('b')?.();
  expect(await b).toBe('b');
  await vi.advanceTimersByTimeAsync(101);
  expect(begun).toEqual(['a', 'b', 'c']);
  ends.get('c')?.();
  expect(await c).toBe('c');
  await expect(d).rejects.toMatchObject({ name: 'StoreError', notCommitted: true });
  const e = run('e');
  for (const name of ['a', 'e']) ends.get(name)?.();
  expect(await Promise.all([a, e])).toEqual(['a', 'e']);
  expect(begun).toEqual(['a', 'b', 'c', 'e']);
  vi.useRealTimers();
});
