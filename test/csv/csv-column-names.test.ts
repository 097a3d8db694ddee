import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { read } from './read-csv.ts';

describe('a column whose name is similar to a wanted one', () => {
  /** One letter left out, put in, changed or swapped with its neighbour, behind the first one. */
  const misspelt = (name: string) =>
    fc
      .record({
        at: fc.integer({ min: 1, max: name.length - 2 }),
        letter: fc.constantFrom(...'qxz'),
        kind: fc.constantFrom('out', 'in', 'other', 'swapped'),
      })
      .map(({ at, letter, kind }) => {
        const [before, here, behind] = [name.slice(0, at), name[at] ?? '', name.slice(at + 1)];
        if (kind === 'out') return before + behind;
        if (kind === 'in') return before + letter + here + behind;
        if (kind === 'other') return before + letter + behind;
        return before + behind.slice(0, 1) + here + behind.slice(1);
      });
  const fold = (name: string) => name.toLowerCase().replace(/_/g, '');
  const row = { CountryCode: '+91', Phone: '9812345670', customer_name: 'Asha', coupon_code: 'A' };
  /** The file with one of its names written otherwise. */
  const fileWith = (name: string, written: string) =>
    `${Object.keys(row)
      .map((each) => (each === name ? written : each))
      .join(',')}\n${Object.values(row).join(',')}\n`;
  const options = { optionalColumns: ['coupon_code'] };

  it.each(Object.keys(row))('is reported with the wanted name: %s', async (name) => {
    await fc.assert(
      fc.asyncProperty(misspelt(name), fc.boolean(), async (written, passedOn) => {
        fc.pre(fold(written) !== fold(name));
        const told = await read(fileWith(name, written), { ...options, passedOn });
        const details = told.map((each) => ('detail' in each ? `${each.pointer} ${each.detail}` : 'sent'));
        expect(details.join('\n')).toMatch(new RegExp(`call it ${name}`));
        expect(details.join('\n')).toContain(written);
      }),
      { numRuns: 100 },
    );
  });

  it('is reported only if it is unused, and not one of a numbered series', async () => {
    const required = { requiredColumns: ['line1', 'line2'] };
    expect(await read('Phone,line1,line3,names\n919812345670,a,b,c\n', required)).toEqual([
      {
        pointer: '/rows/0/line2',
        detail: 'the template parameter has no column; found: Phone, line1, line3, names',
        row: 0,
        line: 1,
      },
    ]);
    expect(await read('Phone,name\n919812345670,a\n', { requiredColumns: ['name'] })).toHaveLength(1);
    const cards = { requiredColumns: [], optionalColumns: ['card1', 'card2'] };
    expect(await read('Phone,card1,card3\n919812345670,a,b\n', cards)).toEqual([
      { to: '919812345670', values: { card1: 'a' } },
    ]);
  });
});
