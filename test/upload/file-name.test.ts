import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { safeFileName } from '../../src/upload/file-name.ts';

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
    '',
    '.',
    '..',
    '.pdf',
    '.hidden.pdf',
    ' a.pdf',
    'a.exe.',
    'a.exe ',
    'a/b.pdf',
    'a\\b.pdf',
    'a"b.pdf',
    'a;b.pdf',
    'a\u037eb.pdf',
    'a\uff02b.pdf',
    'a\uff0fb.pdf',
    'a\r\nX: 1.pdf',
    'a\0.pdf',
    'a\u007f.pdf',
    'a\u0085.pdf',
    'a\u2028.pdf',
    'a\u202efdp.pdf',
    'a\u2066.pdf',
    'a\u200e.pdf',
    'a\u061c.pdf',
    'a\u200b.pdf',
    'a\ufeff.pdf',
    'a\ufffd.pdf',
    'a\ud800.pdf',
    'a%0d%0aX.pdf',
    'a%22.pdf',
    '..%2f..%2fa.pdf',
    `${'a'.repeat(197)}.pdf`,
    'a'.repeat(2000),
  ])('%j is replaced', (given) => {
    expect(name(given)).toBe('file-7.pdf');
  });

  it('is always harmless, in NFC, at most 200 long, and of the right extension', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (given) => {
        const safe = name(given);
        expect(safe).toMatch(/^[^\p{Cc}\p{Cs}"\\/;\u202a-\u202e\u2066-\u2069]{1,200}$/u);
        expect(safe).toMatch(/\.pdf$/i);
        expect(safe.normalize('NFC')).toBe(safe);
      }),
      { numRuns: 2000, seed: 4 },
    );
  });
});
