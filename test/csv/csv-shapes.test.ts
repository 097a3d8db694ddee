import { describe, expect, it } from 'vitest';
import type { CsvRow } from '../../src/csv/csv-rows.ts';
import { read } from './read-csv.ts';

const asha = { to: '919812345670', values: { customer_name: 'Asha' } };
const jose = { to: '34612345678', values: { customer_name: 'José' } };
const utf16 = (text: string) => Buffer.from(`\uFEFF${text}`, 'utf16le');

describe('a CSV in the forms that programs write is sent to the intended recipients', () => {
  it.each<[string, string | Buffer, CsvRow[]]>([
    [
      'LibreOffice: commas, quotes where needed, LF',
      'Phone,customer_name\n919812345670,Asha\n34612345678,José\n',
      [asha, jose],
    ],
    ['LibreOffice: every text cell quoted', '"Phone","customer_name"\n"919812345670","Asha"\n', [asha]],
    ['LibreOffice: semicolons, blank rows at the end', 'Phone;customer_name\n919812345670;Asha\n;\n;\n', [asha]],
    [
      'Excel "CSV UTF-8": BOM, CRLF',
      '\uFEFFPhone,customer_name\r\n919812345670,Asha\r\n34612345678,José\r\n',
      [asha, jose],
    ],
    ['Excel in Europe: BOM and semicolons', '\uFEFFPhone;customer_name\r\n919812345670;Asha\r\n', [asha]],
    ['Excel: rows of commas behind the data', 'Phone,customer_name,,\r\n919812345670,Asha,,\r\n,,,\r\n,,,\r\n', [asha]],
    ['Excel: a comma behind every row', 'Phone,customer_name,\r\n919812345670,Asha,\r\n', [asha]],
    ['Excel: sep=;', 'sep=;\r\nPhone;customer_name\r\n919812345670;Asha\r\n', [asha]],
    ['Excel: BOM and sep=,', '\uFEFFsep=,\r\nPhone,customer_name\r\n919812345670,Asha\r\n', [asha]],
    ['Excel for the old Mac: CR', 'Phone,customer_name\r919812345670,Asha\r', [asha]],
    ['Excel "Text (Tab delimited)" in UTF-8', 'Phone\tcustomer_name\r\n919812345670\tAsha\r\n', [asha]],
    ['Google Sheets: no line end at the end', 'Phone,customer_name\r\n919812345670,Asha', [asha]],
    ['Numbers: semicolons, quoted name', 'customer_name;Phone\n"Asha";919812345670\n', [asha]],
    ['pandas with index=False', 'Phone,customer_name,score\n919812345670,Asha,0.5\n', [asha]],
    ["Python's csv with QUOTE_ALL", '"customer_name","Phone"\r\n"Asha","919812345670"\r\n', [asha]],
    ['R: write.csv without row names', '"Phone","customer_name"\n"+919812345670","Asha"\n', [asha]],
    ['PowerShell: Export-Csv', '"Phone","customer_name"\r\n"919812345670","Asha"\r\n', [asha]],
    ['MySQL: tabs, no quotes', 'Phone\tcustomer_name\n919812345670\tAsha\n', [asha]],
    ['PostgreSQL: COPY', 'Phone,customer_name,note\n919812345670,Asha,\n', [asha]],
    ['SAP: padded cells', 'Phone        ; customer_name \r\n919812345670 ; Asha          \r\n', [asha]],
    ['blanks behind commas, and quotes behind blanks', 'Phone, "customer_name"\n919812345670, "Asha"\n', [asha]],
    [
      'HubSpot: numbers as people write them',
      'Record ID,First Name,Phone,Customer Name\n1,Asha,+91 98123-45670,Asha\n',
      [asha],
    ],
    ['Google Contacts: blanks and brackets', 'Phone,Customer-Name\n+91 (981) 234 5670,Asha\n', [asha]],
    ["WATI's own sample", 'Name,CountryCode,Phone,AllowBroadcast,customer_name\nx,+91,9812345670,TRUE,Asha\n', [asha]],
    ['a country code under a name with a blank', 'customer_name,Country Code,Phone\nAsha,+91,9812345670\n', [asha]],
    ['a country code under a padded name', 'customer_name,CountryCode ,Phone\nAsha,+91,9812345670\n', [asha]],
    ['country_code in snake case, behind', 'phone,customer_name,country_code\n9812345670,Asha,91\n', [asha]],
    [
      'a whole number where the country code is blank',
      'CountryCode,Phone,customer_name\n,+919812345670,Asha\n',
      [asha],
    ],
    [
      'Italy keeps its zero',
      'CountryCode,Phone,customer_name\n+39,0612345678,Asha\n',
      [{ ...asha, to: '390612345678' }],
    ],
    ['line breaks in a column beside', 'Phone,Address,customer_name\r\n919812345670,"1 Road\r\nPune",Asha\r\n', [asha]],
  ])('%s', async (_, file, rows) => {
    expect(await read(file)).toEqual(rows);
  });
});

describe('a CSV that is ambiguous or wrong is refused with a remedy', () => {
  it.each<[string, string | Buffer, RegExp, string?]>([
    ['Excel workbook', Buffer.from('PK\x03\x04\x14\x00', 'latin1'), /workbook.*save it as "CSV UTF-8/],
    ['old Excel workbook', Buffer.from('\xd0\xcf\x11\xe0\xa1', 'latin1'), /old Excel.*save it as "CSV UTF-8/],
    ['Excel "Unicode Text"', utf16('Phone\tcustomer_name\r\n'), /UTF-16.*save it as "CSV UTF-8/],
    ['UTF-16 without a mark', Buffer.from('Phone,customer_name\r\n', 'utf16le'), /UTF-16/],
    ['UTF-16 of the other byte order', utf16('Phone\n').swap16(), /UTF-16/],
    ['a page under the name .xls', '<html><table><tr><td>Phone</td></tr></table></html>', /web page/],
    ['JSON', '[{"to":"919812345670"}]', /\/v1\/broadcasts/],
    ['a PDF', '%PDF-1.7\n', /a PDF/],
    [
      'Excel "CSV": Windows-1252',
      Buffer.from('Phone,customer_name\r\n34612345678,José\r\n', 'latin1'),
      /not UTF-8.*"CSV UTF-8/,
      '/rows/1/customer_name',
    ],
    [
      'Windows-1252 in the header',
      Buffer.from('Phone,customer_name,Straße\r\n34612345678,a,b\r\n', 'latin1'),
      /not UTF-8/,
    ],
    ['Excel: scientific notation', 'Phone,customer_name\n9.19812E+11,Asha\n', /scientific notation/, '/rows/1/Phone'],
    ['Shopify: an apostrophe in front', "Phone,customer_name\n'+919812345670,Asha\n", /apostrophe/, '/rows/1/Phone'],
    ['Excel: a formula', 'Phone,customer_name\n"=""919812345670""",Asha\n', /formula/, '/rows/1/Phone'],
    ['pandas: numbers as floats', 'Phone,customer_name\n919812345670.0,Asha\n', /decimal part/, '/rows/1/Phone'],
    ['pandas: its index', ',Phone,customer_name\n0,919812345670,Asha\n', /index=False/, '/rows/0'],
    ['blanks without a plus', 'Phone,customer_name\n91 98123 45670,Asha\n', /behind a \+ only/, '/rows/1/Phone'],
    ['a blank cell', 'Phone,customer_name\n,Asha\n', /is blank/, '/rows/1/Phone'],
    ['NaN', 'Phone,customer_name\nNaN,Asha\n', /letters/, '/rows/1/Phone'],
    [
      'two numbers in a cell',
      'Phone,customer_name\n+919812345670 / +919812345671,Asha\n',
      /more than one number/,
      '/rows/1/Phone',
    ],
    [
      'a number of the country, no code',
      'Phone,customer_name\n4155551000,Asha\n',
      /Switzerland.*country code missing/,
      '/rows/1/Phone',
    ],
    ['a 0 in front', 'Phone,customer_name\n07700900123,Asha\n', /begins with 0/, '/rows/1/Phone'],
    [
      'a 0 behind the code',
      'CountryCode,Phone,customer_name\n+44,07700900123,Asha\n',
      /0 behind the country code/,
      '/rows/1/Phone',
    ],
    [
      'the code twice',
      'CountryCode,Phone,customer_name\n91,919812345670,Asha\n',
      /CountryCode gives too/,
      '/rows/1/Phone',
    ],
    ['no code in its cell', 'CountryCode,Phone,customer_name\n,9812345670,Asha\n', /no country code/, '/rows/1/Phone'],
    [
      'the country by its name',
      'CountryCode,Phone,customer_name\nIndia,9812345670,Asha\n',
      /in digits/,
      '/rows/1/Phone',
    ],
    [
      'nearly CountryCode',
      'customer_name,CountyCode,Phone\nAsha,+91,9812345670\n',
      /call it CountryCode/,
      '/rows/0/CountyCode',
    ],
    [
      'a calling code',
      'customer_name,Calling Code,Phone\nAsha,+91,9812345670\n',
      /call it CountryCode/,
      '/rows/0/Calling Code',
    ],
    ['a code under another name', 'customer_name,Country,Phone\nAsha,98,9198765432\n', /CountryCode, or remove it/],
    [
      'a code under any name',
      'customer_name,Vorw.,Phone\nAsha,+49,15112345678\n',
      /CountryCode, or remove it|letters|country/,
    ],
    [
      'HubSpot: Phone Number',
      'First Name,Phone Number,customer_name\nA,+919812345670,Asha\n',
      /found: First Name, Phone Number, customer_name.*call it Phone/,
      '/rows/0/Phone',
    ],
    [
      'Mobile',
      'Mobile,customer_name\n+919812345670,Asha\n',
      /"Mobile" holds the number, call it Phone/,
      '/rows/0/Phone',
    ],
    ['no header', '919812345670,Asha\n', /first line holds a number/, '/rows/0/Phone'],
    [
      'a parameter is missing',
      'Phone,name\n919812345670,Asha\n',
      /no column; found: Phone, name/,
      '/rows/0/customer_name',
    ],
    ['Phone twice', 'Phone,phone ,customer_name\n919812345670,1,Asha\n', /two columns of this name/],
    ['bars', 'Phone|customer_name\n919812345670|Asha\n', /found: Phone\|customer_name/, '/rows/0/Phone'],
    [
      'a comma in a cell',
      'Phone,customer_name\n919812345670,Rao, Asha\n',
      /3 cells, the header has 2.*quotes/,
      '/rows/1',
    ],
    ['an open quote', 'Phone,customer_name\n919812345670,"Asha\n', /quotes are not closed/, '/rows/1'],
    ['a blank row between', 'Phone,customer_name\n\n919812345670,Asha\n', /blank: remove it/, '/rows/1'],
    [
      'a number twice',
      'Phone,customer_name\n919812345670,Asha\n+91 98123 45670,Asha\n',
      /given twice, first in row 1/,
      '/rows/2/Phone',
    ],
    [
      'a value that nobody can see',
      'Phone,customer_name\n919812345670,\u200b\u2060\n',
      /blank/,
      '/rows/1/customer_name',
    ],
  ])('%s', async (_, file, words, pointer) => {
    const told = (await read(file)).map((each) => ('detail' in each ? each : { pointer: 'sent', detail: '' }));
    expect(told.map(({ detail }) => detail).join('\n')).toMatch(words);
    if (pointer !== undefined) expect(told.map((each) => each.pointer)).toContain(pointer);
    // The numbers of the file are not repeated.
    expect(JSON.stringify(told)).not.toMatch(/\d{7}/);
  });

  it('counts data rows, and lines of the file', async () => {
    const file =
      'sep=,\r\nPhone,customer_name,Address\r\n919812345670,Asha,"a\r\nb\r\nc"\r\n12,Asha,x\r\n,,\r\n13,,\r\n';
    expect(await read(file)).toMatchObject([
      { pointer: '/rows/2/Phone', row: 2, line: 6 },
      { pointer: '/rows/3', row: 3, line: 7 },
      { pointer: '/rows/4/Phone', row: 4, line: 8 },
      { pointer: '/rows/4/customer_name', row: 4, line: 8 },
    ]);
  });

  it('of more than 256 columns is refused at once', async () => {
    const names = Array.from({ length: 20_000 }, (_, at) => `c${at}`);
    expect(await read(`Phone,customer_name,${names.join(',').slice(0, 60_000)}\n`)).toMatchObject([
      { pointer: '/rows/0', detail: expect.stringMatching(/at most 256/) },
    ]);
  });
});

describe('a CSV that WATI reads itself', () => {
  const passedOn = { passedOn: true };
  it.each<[string, string, RegExp]>([
    ['sep=', 'sep=;\nPhone;customer_name\n919812345670;Asha\n', /sep=/],
    ['tabs', 'Phone\tcustomer_name\n919812345670\tAsha\n', /tabs/],
    ['CR', 'Phone,customer_name\r919812345670,Asha\r', /CR alone/],
    ['a padded header', 'Phone , customer_name\n919812345670,Asha\n', /call the column Phone/],
    ['another header', 'country code,Phone,customer_name\n91,9812345670,Asha\n', /call the column CountryCode/],
    ['separators', 'Phone,customer_name\n+91 98123 45670,Asha\n', /not plain/],
    ['separators in the second cell', 'CountryCode,Phone,customer_name\n91,98123 45670,Asha\n', /not plain/],
  ])('is refused for %s, which WATI may read otherwise', async (_, file, words) => {
    const told = await read(file, passedOn);
    expect(JSON.stringify(told)).toMatch(words);
    expect(told.every((each) => 'detail' in each)).toBe(true);
  });

  it('may have a BOM, blank lines at the end and a comma behind every row', async () => {
    expect(await read('\uFEFFPhone,customer_name,\r\n+919812345670,Asha,\r\n\r\n', passedOn)).toEqual([asha]);
  });
});
