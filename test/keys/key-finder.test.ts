import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyFinder, rememberKeys } from '../../src/keys/key-finder.ts';
import { anyCharacter } from '../support/any-character.ts';
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
    fc.string({ unit: anyCharacter }),
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

it('finds in a whole text what it finds byte by byte, however letters are grouped', () => {
  const plain = key.replace(/[^a-z0-9]/gi, '');
  const part = fc
    .tuple(fc.nat(plain.length), fc.nat(plain.length), fc.constantFrom('', '', ' ', '-_-', 'é', ' '.repeat(40)))
    .map(([one, other, between]) => [...plain.slice(Math.min(one, other), Math.max(one, other))].join(between));
  const bits = Buffer.from(key).toString('hex').slice(8);
  const other = fc.constantFrom('x', 'a', '7', bits, '0110', ' ', '\n', '"', 'Zt55uWcE81nJr3Hs');
  const text = fc.array(fc.oneof(part, other), { maxLength: 12 }).map((pieces) => pieces.join(''));
  const found = { true: 0, false: 0 };
  fc.assert(
    fc.property(text, (each) => {
      const is = finder.search().push(Buffer.from(each), true);
      found[`${is}`] += 1;
      expect(finder.isIn(each), each).toBe(is);
    }),
    { numRuns: 500 },
  );
  expect(Math.min(found.true, found.false)).toBeGreaterThan(20);
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
