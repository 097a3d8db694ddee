import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCsvCheck } from '../../src/csv/csv-check.ts';
import type { CsvCheckOptions, CsvRow } from '../../src/csv/csv-rows.ts';
import { PhoneNumbers } from '../../src/recipients/phone-numbers.ts';
import { UploadError } from '../../src/upload/upload-error.ts';
import { slices } from '../upload/multipart-helper.ts';

const numbers = new PhoneNumbers();
const LIMITS = { rowsMax: 1000, cellBytesMax: 40 };

async function check(
  file: string | Buffer,
  options: Partial<CsvCheckOptions> = {},
  sizes = [65_536],
): Promise<{ rows: number; seen: CsvRow[] } | UploadError> {
  const seen: CsvRow[] = [];
  const csv = createCsvCheck({ numbers, ...LIMITS, ...options, onRow: (row) => seen.push(row) });
  try {
    for (const chunk of slices(Buffer.from(file), sizes)) csv.write(chunk);
    return { ...(await csv.end()), seen };
  } catch (error) {
    if (error instanceof UploadError) return error;
    throw error;
  }
}

const NUMBERS = ['919812345678', '14155550100'];
const SPLITS = [[65_536], [1], [3, 1, 7]];

describe('a CSV', () => {
  it.each([
    ['one column', 'Phone\r\n919812345678\r\n14155550100\r\n'],
    ['blank lines at the end', 'Phone\r\n919812345678\r\n14155550100\r\n\r\n\r\n'],
    ['a comma behind every row', 'Phone,\n919812345678,\n14155550100,\n,\n'],
    ['the line sep=;', 'sep=;\r\nName;Phone\r\na;919812345678\r\nb;14155550100\r\n'],
    ['tabs', 'Name\tPhone\na\t919812345678\n\t14155550100\n'],
    ['line ends of an old Mac', 'Phone,Name\r919812345678,"a\rb"\r14155550100,b\r'],
    ['padded cells and quotes', ' Phone , "Name" \n 919812345678 , "a"\n14155550100,b\n'],
    ['no line end at the end', 'Phone\r\n919812345678\r\n14155550100'],
    ['LF', 'Phone\n919812345678\n14155550100\n'],
    ['a BOM', '\uFEFFPhone\r\n919812345678\r\n14155550100\r\n'],
    ['a BOM and quotes', '\uFEFF"Phone"\r\n919812345678\r\n14155550100\r\n'],
    ['a plus', 'Phone\n+919812345678\n+14155550100\n'],
    ['country codes', 'CountryCode,Phone\n+91,9812345678\n1,4155550100\n'],
    ['country codes behind', 'phone,COUNTRYCODE\n9812345678,+91\n+14155550100,\n'],
    ['semicolons', 'Name;Phone\n"a;b";919812345678\nc,d;14155550100\n'],
    ['a semicolon in a quoted header', '"a;b;c;",Phone\nx,919812345678\ny,14155550100\n'],
    [
      "WATI's own columns",
      'Name,CountryCode,Phone,AllowBroadcast,AllowSMS\n"Asha","+91","9812345678","TRUE","TRUE"\n"Bo ""B""","+1","4155550100","",""\n',
    ],
    ['a line end in quotes', 'Phone,Note\r\n919812345678,"a\r\nb"\r\n14155550100,\u00e9\u{1f600}\r\n'],
  ])('passes with %s', async (_, file) => {
    for (const sizes of SPLITS) {
      const result = await check(file, {}, sizes);
      expect(result).toEqual({ rows: 2, seen: NUMBERS.map((to) => ({ to, values: {} })) });
    }
  });

  it('returns template values under the requested names', async () => {
    const file = 'NAME,Phone,other,__proto__\nAsha,919812345678,x,y\n';
    const result = await check(file, { requiredColumns: ['name', '__proto__'] });
    const values = Object.fromEntries([
      ['name', 'Asha'],
      ['__proto__', 'y'],
    ]);
    expect(result).toEqual({ rows: 1, seen: [{ to: '919812345678', values }] });
  });

  const N = '919812345678';
  it.each<[string, string | Buffer, string[], Partial<CsvCheckOptions>?]>([
    ['nothing', '', ['/rows/0']],
    ['an empty line', '\n', ['/rows/0']],
    ['a header alone', 'Phone\r\n', ['/rows/0']],
    ['no Phone', `Number\n${N}\n`, ['/rows/0/Phone']],
    ['a bar between', `Name|Phone\na|${N}\n`, ['/rows/0/Phone']],
    ['two columns of one name', `Phone,phone\n${N},1\n`, ['/rows/0/phone']],
    ['a column without name', `Phone,,Name\n${N},1,a\n`, ['/rows/0']],
    ['a cell behind the columns', `Phone,\n${N},1\n`, ['/rows/1']],
    ['257 columns', `Phone${Array.from({ length: 256 }, (_, n) => `,a${n}`).join('')}\n`, ['/rows/0']],
    ['as many columns as a header row can hold', `Phone${',a'.repeat(16_000)}\n`, ['/rows/0']],
    ['a parameter without column', `Phone\n${N}\n`, ['/rows/0/name'], { requiredColumns: ['name'] }],
    ['a blank number', 'Phone,Name\n,a\n', ['/rows/1/Phone']],
    ['letters', 'Phone\nhello\n', ['/rows/1/Phone']],
    ['six digits', 'Phone\n123456\n', ['/rows/1/Phone']],
    ['16 digits', 'Phone\n1234567890123456\n', ['/rows/1/Phone']],
    ['a 0 first', 'Phone\n0919812345678\n', ['/rows/1/Phone']],
    ['blanks', 'Phone\n91 98123 45678\n', ['/rows/1/Phone']],
    ['a blank before', `Phone\n ${N}\n`, ['/rows/1/Phone'], { passedOn: true }],
    ["Excel's own way", 'Phone\n9.19812E+11\n', ['/rows/1/Phone']],
    ['two plusses', 'CountryCode,Phone\n+91,+9812345678\n', ['/rows/1/Phone']],
    ['other digits', 'Phone\n\u0967\u0968\u0969\u096a\u096b\u096c\u096d\u096e\n', ['/rows/1/Phone']],
    ['a number twice', `Phone\n${N}\n14155550100\n+${N}\n`, ['/rows/3/Phone']],
    ['a number twice in two ways', `Phone,CountryCode\n+${N},\n9812345678,91\n`, ['/rows/2/Phone']],
    ['no country code at all', `Phone,CountryCode\n9812345678,\n`, ['/rows/1/Phone']],
    ['a cell too few', `Phone,Name\n${N},a\n14155550100\n`, ['/rows/2']],
    ['a cell too many', `Phone,Name\n${N},a,b\n`, ['/rows/1']],
    ['a blank line between', `Phone,Name\n${N},a\n\n,\n14155550100,b\n`, ['/rows/2']],
    ['a control character', `Phone,Name\n${N},a\x07\n`, ['/rows/1/Name']],
    ['Latin-1', Buffer.from(`Phone,Name\n${N},caf\u00e9\n`, 'latin1'), ['/rows/1/Name']],
    ['Latin-1 in the header', Buffer.from(`Phone,Caf\u00e9\n${N},x\n`, 'latin1'), ['/rows/0/Caf\uFFFD']],
    [
      'a cut character',
      Buffer.concat([Buffer.from(`Phone,Name\n${N},`), Buffer.from([0xf0, 0x9f]), Buffer.from('\n')]),
      ['/rows/1/Name'],
    ],
    ['UTF-16', Buffer.from(`\uFEFFPhone\n${N}\n`, 'utf16le'), ['/rows/0']],
    ['a long cell', `Phone,Name\n${N},${'\u00e9'.repeat(21)}\n`, ['/rows/1/Name']],
    ['an endless header', 'x'.repeat(70_000), ['/rows/0']],
    ['an endless row', `Phone,Name\n${N},"${'x'.repeat(300_000)}`, ['/rows/1']],
    ['too many rows', `Phone\n${N}\n14155550100\n`, ['/rows/2'], { rowsMax: 1 }],
    ['an open quote', `Phone,Name\n${N},"a\n`, ['/rows/1']],
    ['text after a quote', `Phone,Name\n${N},"a"b\n`, ['/rows/1']],
    ['a quote in plain text', `Phone,Name\n14155550100,x\n${N},a"b\n`, ['/rows/2']],
    ['a blank parameter', `Phone,name\n${N}, \n`, ['/rows/1/name'], { requiredColumns: ['name'] }],
    ['a line end in a parameter', `Phone,name\n${N},"a\nb"\n`, ['/rows/1/name'], { requiredColumns: ['name'] }],
    ['a tab in a parameter', `Phone,name\n${N},a\tb\n`, ['/rows/1/name'], { requiredColumns: ['name'] }],
    ['four blanks in a parameter', `Phone,name\n${N},a    b\n`, ['/rows/1/name'], { requiredColumns: ['name'] }],
    ['a column name to be escaped', `Phone,a/b~c\n${N},\n`, ['/rows/1/a~1b~0c'], { requiredColumns: ['a/b~c'] }],
  ])('is refused for %s', async (_, file, pointers, options) => {
    for (const sizes of file.length < 1000 ? SPLITS : [[65_536]]) {
      const result = await check(file, options, sizes);
      expect(result).toMatchObject({ code: 'invalid-csv', detail: expect.stringMatching(/^\d+ faults?$/) });
      expect(result instanceof UploadError && result.errors?.map((error) => error.pointer)).toEqual(pointers);
    }
  });

  it('takes three blanks in a row, and line ends in columns that are no parameter', async () => {
    const file = `Phone,name,note\n${N},a   b,"c\n\t    d"\n`;
    expect(await check(file, { requiredColumns: ['name'] })).toMatchObject({ rows: 1 });
  });

  it('lists the first 100 faults and counts them all', async () => {
    const result = await check(`Phone\n${'x\n'.repeat(250)}`);
    expect(result).toMatchObject({ code: 'invalid-csv', detail: '250 faults; the first 100 are listed' });
    expect(result instanceof UploadError && result.errors?.length).toBe(100);
    expect(result instanceof UploadError && result.errors?.[99]?.pointer).toBe('/rows/100/Phone');
  });

  it('finds every duplicate number, and no other', async () => {
    const number = fc.integer({ min: 0, max: 199_999_999 }).map((last) => String(919_800_000_000 + last));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(number, fc.integer({ min: 919_800_000_000, max: 919_800_000_040 }).map(String)), {
          minLength: 1,
          maxLength: 90,
        }),
        async (numbers) => {
          const result = await check(`Phone\n${numbers.join('\n')}\n`);
          const twice = numbers.flatMap((to, index) =>
            numbers.indexOf(to) < index ? [`/rows/${index + 1}/Phone`] : [],
          );
          if (twice.length === 0) expect(result).toMatchObject({ rows: numbers.length });
          else expect(result instanceof UploadError && result.errors?.map((error) => error.pointer)).toEqual(twice);
        },
      ),
      { numRuns: 100, seed: 5 },
    );
  });

  it('reads what a writer of RFC 4180 wrote, however it is split into chunks', async () => {
    const cell = fc.string({
      maxLength: 12,
      unit: fc.constantFrom('a', '"', ',', ';', '\r\n', '\n', ' ', '\u00e9', '\u{1f600}'),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(cell, { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        async (cells, sizes) => {
          const quoted = cells.map((text, i) => `"${text.replaceAll('"', '""')}",9198123${10_000 + i}\r\n`);
          const result = await check(`note,Phone\r\n${quoted.join('')}`, { cellBytesMax: 100 }, sizes);
          expect(result).toMatchObject({ rows: cells.length });
        },
      ),
      { numRuns: 100, seed: 6 },
    );
  });
});
