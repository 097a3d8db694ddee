import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyFinder, rememberKeys } from '../../src/keys/key-finder.ts';
import { encodings } from './encodings.ts';

const key = 'mtn_live-7Qz.4fK1~Xp9sT2vB8wR6yU3';
const finder = new KeyFinder(() => [key]);

describe.each(Object.entries(encodings))('a key %s', (_name, encode) => {
  it('is found, whatever text surrounds it', () => {
    for (const [before, behind] of [
      ['', ''],
      ['{"message":"', '"}'],
      ['<p>invalid key ', '</p>'],
      ['=', '&x=1'],
      ['%', '%'],
      ['\\', '\\'],
      ['AB', 'CD'],
    ]) {
      expect(finder.isIn(`${before}${encode(key)}${behind}`), `${before}…${behind}`).toBe(true);
    }
  });

  it('is found in a stream, wherever it is split', () => {
    const bytes = Buffer.from(`{"message":"${encode(key)}"}`);
    for (let at = 1; at < bytes.length; at++) {
      const search = finder.search();
      const found = [bytes.subarray(0, at), bytes.subarray(at)].map((chunk, n) => search.push(chunk, n === 1));
      expect(found.includes(true), `at ${at}`).toBe(true);
    }
  });
});

it('finds no key where there is none', () => {
  const words = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.webUrl({ withQueryParameters: true }),
  );
  fc.assert(fc.property(words, (text) => finder.isIn(text) === false));
  for (const bytes of [
    gzipSync('a'),
    Buffer.alloc(300_000, '%'),
    Buffer.alloc(300_000, '&#'),
    Buffer.alloc(300_000, '\\'),
  ])
    expect(finder.isIn(bytes.toString('latin1'))).toBe(false);
});

it('finds current and former keys from the first scan on', () => {
  let current = 'q7Xz41mPa9Lk20Vb';
  const keys = rememberKeys(() => current);
  const own = new KeyFinder(keys.all);
  expect(own.isIn('q7Xz41mPa9Lk20Vb')).toBe(true);
  current = 'Zt55uWcE81nJr3Hs';
  for (const text of ['q7Xz41mPa9Lk20Vb', 'Zt55uWcE81nJr3Hs']) expect(own.isIn(text)).toBe(true);
  expect(own.isIn('yB6oKd92gFq4iTx8')).toBe(false);
});

it('removes a key, and reports if that is not possible', () => {
  expect(finder.without(`a ${key} b ${key}`)).toBe('a [secret] b [secret]');
  expect(finder.without(`a ${Buffer.from(key).toString('base64')}`)).toBeUndefined();
  expect(finder.without('nothing')).toBe('nothing');
});

it('takes one pass, whatever the answer', () => {
  const worst = ['%25', '&amp;#', '\\\\u00', '=3D', 'mtn_live-7Qz', '\\\\\\u005c'].map((piece) =>
    piece.repeat(Math.ceil(65_536 / piece.length)),
  );
  for (const text of worst) {
    // CPU time of this thread, which other processes on the machine do not affect.
    const times = Array.from({ length: 7 }, () => {
      const start = process.threadCpuUsage();
      finder.isIn(text);
      return process.threadCpuUsage(start).user / 1_000;
    });
    expect(Math.min(...times), text.slice(0, 12)).toBeLessThan(10);
  }
});
