export interface CsvReceiver {
  readonly phone: string;
  readonly values: readonly { readonly name: string; readonly value: string }[];
}

const ownColumns = new Set(['name', 'countrycode', 'phone', 'allowbroadcast', 'allowsms']);

/** The columns that a real client sends: CountryCode and Phone make the number; each further column is a template variable of that name. */
export function readCsv(text: string): readonly CsvReceiver[] {
  const [header = [], ...rows] = cells(text.replace(/^\uFEFF/, ''));
  const lower = header.map((name) => name.trim().toLowerCase());
  const phoneAt = lower.indexOf('phone');
  const codeAt = lower.indexOf('countrycode');
  return rows
    .filter((row) => row.some((cell) => cell !== ''))
    .map((row) => ({
      phone: `${codeAt < 0 ? '' : (row[codeAt] ?? '')}${row[phoneAt] ?? ''}`.replace(/[^0-9]/g, ''),
      values: header.flatMap((name, at) =>
        ownColumns.has(lower[at] ?? '') ? [] : [{ name: name.trim(), value: row[at] ?? '' }],
      ),
    }));
}

/** RFC 4180, with a comma or a semicolon, whichever the header row contains first. */
function cells(text: string): string[][] {
  const separator = /^[^,\n]*;/.test(text) ? ';' : ',';
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (quoted) {
      if (char !== '"') cell += char;
      else if (text.charAt(at + 1) === '"') {
        cell += '"';
        at += 1;
      } else quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === separator) {
      row.push(cell);
      cell = '';
    } else if (char === '\n') {
      rows.push([...row, cell]);
      row = [];
      cell = '';
    } else if (char !== '\r') cell += char;
  }
  if (cell !== '' || row.length > 0) rows.push([...row, cell]);
  return rows;
}
