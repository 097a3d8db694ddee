import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { safeFileName } from '../../src/upload/file-name.ts';
import { fileNameOf } from '../../src/upload/file-name-coding.ts';
import { parseHeaderValue } from '../../src/upload/header-value.ts';

const name = (given: string) => safeFileName(given, '7', ['pdf']);

describe('a file name', () => {
  it.each([
    ['bill.pdf', 'bill.pdf'],
    ['Bill 2024 (final).PDF', 'Bill 2024 (final).PDF'],
    ['Re\u0301sume\u0301.pdf', 'R\u00e9sum\u00e9.pdf'],
    ['\u8acb\u6c42\u66f8.pdf', '\u8acb\u6c42\u66f8.pdf'],
    ['\u0646\u0627\u0645\u0647\u200c\u0647\u0627.pdf', '\u0646\u0627\u0645\u0647\u200c\u0647\u0627.pdf'],
    ['\u{1f468}\u200d\u{1f469}\u200d\u{1f467}.pdf', '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}.pdf'],
    ['100%25 done.pdf', '100%25 done.pdf'],
    ['bill', 'bill.pdf'],
    ['bill.exe', 'bill.exe.pdf'],
    ['bill.pdf.exe', 'bill.pdf.exe.pdf'],
    [`${'a'.repeat(196)}.pdf`, `${'a'.repeat(196)}.pdf`],
  ])('%j becomes %j', (given, expected) => {
    expect(name(given)).toBe(expected);
  });

  it.each([
    ['../../etc/bill.pdf', 'bill.pdf'],
    ['C:\\temp\\bill.pdf', 'bill.pdf'],
    ['.hidden.pdf', 'hidden.pdf'],
    [' a.pdf', 'a.pdf'],
    ['a.exe.', 'a.exe.pdf'],
    ['a.exe ', 'a.exe.pdf'],
    ['Rechnung "A".pdf', "Rechnung 'A'.pdf"],
    ['a;b.pdf', 'a,b.pdf'],
    ['a\u037eb.pdf', 'a,b.pdf'],
    ['a\uff02b.pdf', "a'b.pdf"],
    ['a\uff0fb.pdf', 'a-b.pdf'],
    ['a\u2105b.pdf', 'a-b.pdf'],
    ['a\r\nX: 1.pdf', 'a X: 1.pdf'],
    ['a\0.pdf', 'a.pdf'],
    ['a\u007f\u0085b.pdf', 'a b.pdf'],
    ['a\u2028b.pdf', 'a b.pdf'],
    ['a\u202efdp.pdf', 'afdp.pdf'],
    ['a\u2066\u200e\u061c\u200b\ufeff.pdf', 'a.pdf'],
    ['a\ufffd\ud800.pdf', 'a__.pdf'],
    ['a%0d%0aX.pdf', 'a__X.pdf'],
    ['a%22.pdf', 'a_.pdf'],
    ['a\uff0522.pdf', 'a_.pdf'],
    ['..%2f..%2fa.pdf', '_.._a.pdf'],
    [`${'a'.repeat(197)}.pdf`, `${'a'.repeat(196)}.pdf`],
    ['a'.repeat(2000), `${'a'.repeat(196)}.pdf`],
    [`${'a'.repeat(195)}\u{1f600}.PDF`, `${'a'.repeat(195)}.PDF`],
  ])('%j is cleaned to %j', (given, expected) => {
    expect(name(given)).toBe(expected);
  });

  it.each(['', '.', '..', '.pdf', '..PDF', '""', '\u202e.pdf', 'a/', ' ', '\ud800.pdf', '\u200d.pdf'])(
    'nothing is left of %j, so it is replaced',
    (given) => expect(name(given)).toBe('file-7.pdf'),
  );

  it('is always harmless, in NFC, at most 200 long, of the right extension, and stays as it is when cleaned again', () => {
    const awkward = fc.constantFrom(
      '"',
      '%',
      '22',
      '2f',
      '.',
      ' ',
      '/',
      '\u200d',
      '\u202e',
      '\uff05',
      '\uff0e',
      '\u2026',
      'e\u0301',
    );
    const given = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 220 }),
      fc.array(fc.oneof(awkward, fc.string({ maxLength: 3 })), { maxLength: 90 }).map((pieces) => pieces.join('')),
    );
    fc.assert(
      fc.property(given, (text) => {
        const safe = name(text);
        expect(safe).toMatch(/^[^\p{Cc}\p{Cs}"\\/;\u202a-\u202e\u2066-\u2069]{1,200}$/u);
        expect(safe.normalize('NFKC')).not.toMatch(/["\\/;]|%(?:0[0ad]|22|2f|5c)|^[\s.]/i);
        expect(safe).toMatch(/\.pdf$/i);
        expect(safe.normalize('NFC')).toBe(safe);
        expect(name(safe)).toBe(safe);
      }),
      { numRuns: 100, seed: 4 },
    );
  });

  it('that is harmless stays to the letter', () => {
    const letters = fc.string({
      unit: fc.constantFrom(...'abzAZ09 _-().,+#\u00fc\u0939\u4e2d\u0645'),
      minLength: 1,
      maxLength: 150,
    });
    fc.assert(
      fc.property(letters, (text) => {
        const given = `a${text}z.pdf`.normalize('NFC');
        expect(name(given)).toBe(given);
      }),
      { numRuns: 150, seed: 5 },
    );
  });
});

describe('the name in a Content-Disposition', () => {
  const read = (parameters: string) =>
    fileNameOf(parseHeaderValue(`form-data; name="file"; ${parameters}`, 'x').parameters);
  const encoded = (text: string, charset: 'utf-8' | 'latin1', coding: 'B' | 'Q') => {
    const bytes = Buffer.from(text, charset);
    const value = coding === 'B' ? bytes.toString('base64') : bytes.toString('hex').replace(/../g, '=$&');
    return `=?${charset === 'latin1' ? 'iso-8859-1' : charset}?${coding}?${value}?=`;
  };

  it.each([
    ['filename="=?utf-8?B?UmVjaG51bmcgw7wucGRm?="', 'Rechnung ü.pdf'],
    ['filename==?utf-8?B?UmVjaG51bmcgw7wucGRm?=', 'Rechnung ü.pdf'],
    ['filename="=?UTF-8?Q?Rechnung_=C3=BC.pdf?="', 'Rechnung ü.pdf'],
    ['filename="=?iso-8859-1*de?q?Rechnung_=FC.pdf?="', 'Rechnung ü.pdf'],
    ['filename="=?windows-1251?B?0fe48i5wZGY=?="', 'Счёт.pdf'],
    ['filename="=?utf-8?B?UmVjaG51bmcgww==?= =?utf-8?B?vC5wZGY=?="', 'Rechnung ü.pdf'],
    ['filename="a =?utf-8?Q?=C3=BC?= b.pdf"', 'a ü b.pdf'],
    ['filename="=?klingon?B?YQ==?=.pdf"', '=?klingon?B?YQ==?=.pdf'],
    ['filename="=?utf-8?Q?=FF?=.pdf"', '=?utf-8?Q?=FF?=.pdf'],
    ['filename="Rechnung%20%C3%BC.pdf"', 'Rechnung ü.pdf'],
    ['filename="a%22b%22%20c.pdf"', 'a"b" c.pdf'],
    ['filename="50%25.pdf"', '50%.pdf'],
    ['filename="100%25 done.pdf"', '100%25 done.pdf'],
    ['filename="100%.pdf"', '100%.pdf'],
    ['filename="caf%E9.pdf"', 'caf%E9.pdf'],
    ['filename="a %22b%22.pdf"', 'a "b".pdf'],
    ['filename="a \\"b\\".pdf"', 'a "b".pdf'],
    ["filename=a.pdf; filename*=UTF-8''%C3%BC%20%25.pdf", 'ü %.pdf'],
    ["filename*=iso-8859-1'en'%A3%20rates.pdf", '£ rates.pdf'],
    ["filename=a.pdf; filename*=UTF-8''%FF.pdf", 'a.pdf'],
    ["filename=a.pdf; filename*=UTF-8''%zz", 'a.pdf'],
    ['filename="=?utf-8?B?w7wucGRm?="; filename*=broken', 'ü.pdf'],
    ["filename*0*=utf-8''R%C3%BC; filename*1=ck; filename*2*=%C3%BC.pdf", 'Rückü.pdf'],
    ['filename*0="long "; filename*1="name.pdf"', 'long name.pdf'],
  ])('%s is %s', (parameters, expected) => expect(read(parameters)).toBe(expected));

  it('is decoded from every encoding that programs use', () => {
    const letters = fc.string({
      unit: fc.constantFrom(...'ab .-_=?%"\u00fc\u00df\u00e9'),
      minLength: 1,
      maxLength: 60,
    });
    fc.assert(
      fc.property(letters, (text) => {
        const plain = `${text}\u00fc.pdf`;
        for (const charset of ['utf-8', 'latin1'] as const) {
          for (const coding of ['B', 'Q'] as const) {
            expect(read(`filename="${encoded(plain, charset, coding)}"`)).toBe(plain);
          }
        }
        expect(read(`filename="${encodeURIComponent(plain)}"`)).toBe(plain);
        expect(read(`filename=x; filename*=UTF-8''${encodeURIComponent(plain)}`)).toBe(plain);
      }),
      { numRuns: 150, seed: 6 },
    );
  });
});
