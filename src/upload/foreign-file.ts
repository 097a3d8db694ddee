import { isUtf16 } from './signature.ts';

const save = 'open it and save it as "CSV UTF-8 (Comma delimited)"';
const utf16 = `UTF-16, such as the "Unicode Text" of Excel, not UTF-8: ${save}`;

/** The first bytes (latin1) of files that people mistake for a CSV, and what to do with each. */
const signatures: readonly (readonly [string, string])[] = [
  ['PK\x03\x04', `a workbook (Excel, LibreOffice) or another zip file, not a CSV: ${save}`],
  ['\xd0\xcf\x11\xe0', `a workbook of an old Excel (.xls), not a CSV: ${save}`],
  ['\x1f\x8b', 'compressed (gzip), not a CSV: unpack it'],
  ['%PDF-', 'a PDF, not a CSV'],
];

const texts: readonly (readonly [RegExp, string])[] = [
  [/^\{\\rtf/, `a text document (RTF), not a CSV: ${save}`],
  [
    /^<(!doctype|html|\?xml|table|head|meta)/i,
    `a web page or XML, perhaps under the name .csv or .xls, not a CSV: ${save}`,
  ],
  [/^[[{]\s*["{[]/, 'JSON, not a CSV: send JSON to /v1/broadcasts'],
];

/** Names a file that is no CSV in UTF-8, and says how to save it as one; undefined: it may be a CSV. */
export function foreignFile(firstBytes: Buffer): string | undefined {
  const text = firstBytes.toString('latin1');
  const signed = signatures.find(([signature]) => text.startsWith(signature));
  if (signed) return signed[1];
  if (isUtf16(firstBytes)) return utf16;
  if (text.includes('\0')) return `binary, not a CSV: ${save}`;
  const shown = text.replace('\xef\xbb\xbf', '').trimStart();
  return texts.find(([pattern]) => pattern.test(shown))?.[1];
}
