import fc from 'fast-check';
import examples from 'libphonenumber-js/examples.mobile.json' with { type: 'json' };
import { getCountries, getCountryCallingCode, getExampleNumber } from 'libphonenumber-js/max';
import { expect, it } from 'vitest';
import { read } from './read-csv.ts';

const fileOf = (name: string, cell: string, phone: string) =>
  `customer_name,"${name}",Phone\nAsha,"${cell}",${phone}\n`;

/** A mobile of Arkansas without its 1, which is one of Norway as it stands. */
const readsNorwegian = '4795551000';

it.each([
  ...['Ctry Code', 'Country', 'Code', 'code pays', 'Indicatif', 'Prefijo', 'C\u00f3digo de pa\u00eds', 'DDI'],
  ...[
    '\u56fd\u5bb6\u4ee3\u7801',
    '\u041a\u043e\u0434 \u0441\u0442\u0440\u0430\u043d\u044b',
    '\u00dclke Kodu',
    'Landskod',
    'prefisso',
    'Intl Code',
  ],
])('a country code in the column %s is seen, and the number is no stranger to it', async (name) => {
  for (const cell of ['1', '+1', '001', '1.0', "'1", "'+1", '(+1)', '+ 1', 'US +1', 'United States (+1)']) {
    expect(await read(fileOf(name, cell, readsNorwegian)), cell).toEqual([
      expect.objectContaining({ pointer: `/rows/1/${name}`, detail: expect.stringContaining('CountryCode') }),
    ]);
  }
});

it.each([
  ['Country', 'US'],
  ['Shipping Country', 'United States'],
  ['pays', '\u00c9tats-Unis'],
  ['Land', 'Vereinigte Staaten'],
  ['\u56fd\u5bb6', '\u7f8e\u56fd'],
  ['Locale', 'en-US'],
])('a number that lacks the code of the country beside it is no number of another (%s: %s)', async (name, cell) => {
  expect(await read(fileOf(name, cell, readsNorwegian))).toEqual([
    expect.objectContaining({ detail: expect.stringContaining('write it with + and its country code') }),
  ]);
  for (const to of ['14795551000', '+4795551000'])
    expect(await read(fileOf(name, cell, to))).toEqual([expect.objectContaining({ to: to.replace('+', '') })]);
});

it('a country code is found in the last row of a long file as in the first', async () => {
  const rows = Array.from({ length: 100 }, (_, at) => `9198123450${String(at).padStart(2, '0')},A,\n`).join('');
  expect(await read(`Phone,customer_name,Land\n${rows}${readsNorwegian},A,+1\n`)).toEqual([
    expect.objectContaining({ pointer: '/rows/101/Land' }),
  ]);
});

it('whole numbers of every country are read beside their country and beside other columns', async () => {
  const names = new Intl.DisplayNames('en', { type: 'region' });
  const mobiles = getCountries().flatMap((country) => {
    const example = getExampleNumber(country, examples);
    return example ? [{ country, to: getCountryCallingCode(country) + String(example.nationalNumber) }] : [];
  });
  const file = mobiles.map(({ country, to }, at) => `${to},A,${country},"${names.of(country)}",${at % 200},Anna +1`);
  // Some countries share a number as their example.
  const once = new Map(mobiles.map(({ to }, at) => [to, file[at] ?? '']));
  const rows = await read(`Phone,customer_name,Country,Nation,Quantity,Note\n${[...once.values()].join('\n')}\n`);
  expect(rows.filter((row) => 'detail' in row)).toEqual([]);
  expect(rows).toHaveLength(once.size);
});

it.each(['IsDeleted', 'is_default', 'Quantity', 'coupon_code', 'Zip', 'Nationality', 'Island', 'landline'])(
  'the column %s is none of country codes',
  async (name) => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 999 }), async (cell) => {
        expect(await read(fileOf(name, String(cell), '919812345670'))).toEqual([
          expect.objectContaining({ to: '919812345670' }),
        ]);
      }),
      { numRuns: 50 },
    );
  },
);
