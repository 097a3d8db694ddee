import { describe, expect, it } from 'vitest';
import { foreignPatterns } from '../../src/lib/patterns.ts';
import { literalsIn, sourcePatterns } from './source-patterns.ts';

const length = 64 * 1024;

/** The best of some runs, ms: what else the machine does is not measured. */
function fastest(pattern: RegExp, text: string, runs = 7): number {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs && best >= 5; run++) {
    const start = performance.now();
    if (pattern.global) text.replace(pattern, '');
    else pattern.test(text);
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

const filled = (piece: string, size = length) => piece.repeat(Math.ceil(size / piece.length)).slice(0, size);

/** What loops like to run over, and what a pattern itself names. */
function attacksOn(source: string): string[] {
  const words = source.match(/[A-Za-z0-9]{2,}/g) ?? [];
  const escaped = [...source.matchAll(/\\([^A-Za-z0-9])/g)].map(([, mark = '']) => mark);
  const marks = [...new Set([...(source.match(/[^A-Za-z0-9\\[\](){}*+?^$|]/g) ?? []), ...escaped])];
  const letters = [
    'a',
    'A',
    '0',
    '1',
    ' ',
    '\t',
    '-',
    '.',
    '_',
    '/',
    ';',
    '=',
    '"',
    '\\',
    '{',
    '\u00e9',
    '\u{1F600}',
    ...marks,
  ];
  const pieces = [...letters, ...words, ...marks.flatMap((mark) => ['a', ' ', '1'].map((letter) => mark + letter))];
  const size = 16 * 1024;
  return [
    ...pieces.map((piece) => `${filled(piece, size)}\u0001`),
    ...words.flatMap((word) => [' ', 'a', '0'].map((letter) => `${word}${filled(letter, size)}\u0001`)),
    ...marks.flatMap((mark) =>
      ['', 'a', mark, `${mark}a`].flatMap((more) =>
        [' ', 'a', '0'].map((letter) => `${mark}${more}${filled(letter, size)}\u0001`),
      ),
    ),
  ];
}

describe('patterns for the texts of others', () => {
  it.each(Object.entries(foreignPatterns))('%s takes 64 KB of its worst in 10 ms', (_name, { pattern, worst }) => {
    for (const text of [filled(worst), `${worst}${filled(worst.at(-1) ?? ' ')}`, `${filled(worst)}\u0001`]) {
      expect(fastest(pattern, text)).toBeLessThan(10);
    }
  });

  it.each(Object.entries(foreignPatterns))('%s has no input that makes it quadratic', (_name, { pattern }) => {
    for (const text of attacksOn(pattern.source)) expect(fastest(pattern, text), text.slice(0, 20)).toBeLessThan(10);
  });
});

/** A loop that may begin anywhere, and so begins everywhere. */
const opensWithLoop = /^(\((\?:)?)*(\.|\\[sSwWdDb]|\[[^\]]*\])[*+]/;
/** The same atom in two loops, one behind the other. */
const twoLoops = /(\.|\\[sSwWdD]|\[[^\]]+\])[*+]\??\)?\(?(\?:)?\1[*+]/;
/** A loop in a loop, with nothing that parts them. */
const loopInLoop = /\((\?:)?(\.|\\[sSwWdD]|\[[^\]]+\])[*+]\)[*+]/;

describe('all other patterns of the service', () => {
  const patterns = sourcePatterns();

  it('are found', () => {
    expect(patterns.length).toBeGreaterThan(120);
    const text = ["a / b / c; x = /[/]a\\/b/gi; '/no/'; // /no/", 'f(/b/); `/no/$', '{g(/c/, { d: `/no/` })}/no/`'];
    expect(literalsIn(`${text[0]}\n${text[1]}${text[2]}`).map(({ source }) => source)).toEqual(['[/]a\\/b', 'b', 'c']);
  });

  it.each([
    ['\\b[\\w-]+(\\.[\\w-]+)*\\.(ai|io|com)\\b', 'gi'],
    ['\\{\\{\\s*([^{}\\s][^{}]*?)\\s*\\}\\}', 'g'],
    ['.*u=(\\d)', ''],
    ['\\s+$', ''],
  ])('would be caught where they are quadratic: %s', (source, flags) => {
    const pattern = new RegExp(source, flags);
    expect(attacksOn(source).some((text) => fastest(pattern, text, 1) > 10)).toBe(true);
  });

  it('do not begin with a loop unless they are anchored, nor have two loops over one class', () => {
    const bad = patterns.filter(
      ({ source, flags }) =>
        (opensWithLoop.test(source) && !flags.includes('y')) || twoLoops.test(source) || loopInLoop.test(source),
    );
    expect(bad).toEqual([]);
  });

  it.each([...new Map(patterns.map((each) => [`${each.file} ${each.source}`, each])).values()])(
    'take 16 KB of anything in 10 ms: $file $source',
    ({ source, flags }) => {
      const pattern = new RegExp(source, flags.replace('y', ''));
      for (const text of attacksOn(source))
        expect(fastest(pattern, text), JSON.stringify(text.slice(0, 20))).toBeLessThan(10);
    },
  );
});
