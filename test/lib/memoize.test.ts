import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { memoizeLast } from '../../src/lib/memoize.ts';

describe('oncePer', () => {
  it('computes once per object, however often it is called in that turn of the event loop', async () => {
    const make = vi.fn((key: object) => ({ of: key }));
    const of = memoizeLast(make);
    const key = {};
    const answers = await Promise.all([1, 2, 3].map(async () => of(key)));
    expect(new Set(answers).size).toBe(1);
    expect(make).toHaveBeenCalledTimes(1);
  });

  it('computes again for another object that is equal', () => {
    const make = vi.fn((_key: object) => 'text');
    const of = memoizeLast(make);
    of({});
    of({});
    expect(make).toHaveBeenCalledTimes(2);
  });

  it('remembers a value that is undefined', () => {
    const make = vi.fn((_key: object) => undefined);
    const of = memoizeLast(make);
    const key = {};
    of(key);
    of(key);
    expect(make).toHaveBeenCalledTimes(1);
  });

  it('keeps nothing after that turn', async () => {
    const make = vi.fn((_key: object) => 'text');
    const of = memoizeLast(make);
    const key = {};
    of(key);
    await turn();
    of(key);
    expect(make).toHaveBeenCalledTimes(2);
  });

  it('keeps nothing of what failed', () => {
    const make = vi.fn((_key: object): string => {
      throw new Error('no');
    });
    const of = memoizeLast(make);
    const key = {};
    expect(() => of(key)).toThrow('no');
    expect(() => of(key)).toThrow('no');
    expect(make).toHaveBeenCalledTimes(2);
  });
});
