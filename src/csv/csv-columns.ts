import { isNear, nearest } from '../lib/did-you-mean.ts';
import { isBlank } from '../lib/text.ts';
import { type ColumnHint, columnHint } from './code-hints.ts';
import type { CsvFaults } from './csv-faults.ts';

/** A template has about ten parameters; an exported customer table may have more columns beside them. */
const columnsMax = 256;

export interface CsvColumns {
  /** The columns up to the last one with a name: some programs append commas. */
  names: string[];
  phone: number;
  countryCode: number | undefined;
  required: { parameter: string; index: number }[];
  /** The optional parameters that have a column. */
  optional: { parameter: string; index: number }[];
  /** Index of the column `Reference`, if the file has one. */
  reference: number | undefined;
  /** Unknown columns, if there is no CountryCode: one of them may contain country codes under another name. */
  others: { name: string; index: number; hint: ColumnHint }[];
}

interface HeaderOptions {
  required: readonly string[];
  optional: readonly string[];
  /** WATI reads the header too, and knows the columns by these names only. */
  exact: boolean;
  /** A column `Reference` holds references, unless a parameter has that name. */
  takesReference: boolean;
  /** A delimiter that is recognized and not accepted. */
  foreignDelimiter: string | undefined;
}

export const separatedBy = (delimiter: string): string =>
  `the columns are separated by ${delimiter}: save the file with commas, semicolons or tabs`;

/** Case, blanks, `_`, `-` and invisible characters make no difference between names. */
const fold = (name: string): string =>
  name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s\p{Cf}\p{Pd}_]/gu, '');

const phoneNames = /phone|fon|mobil|tel|cell|number|nummer|whatsapp|handy|msisdn|contact|recipient|^to$/;

/** Reads the header row. Adds its faults; if there is any, returns undefined. */
export function readHeader(cells: string[], options: HeaderOptions, faults: CsvFaults): CsvColumns | undefined {
  if (cells.length > columnsMax) {
    faults.add(0, undefined, `the header has ${cells.length} columns, at most ${columnsMax}`);
    return undefined;
  }
  const last = cells.findLastIndex((cell) => !isBlank(cell));
  const names = cells.slice(0, last + 1).map((cell) => cell.trim());
  if (names.length === 0) {
    faults.add(0, undefined, 'the header row is blank: the first line has to name the columns, one of them Phone');
    return undefined;
  }
  noteNames(names, faults);
  const folded = names.map(fold);
  const indexOf = (wanted: string) => {
    const exact = names.findIndex((name) => name.toLowerCase() === wanted.toLowerCase());
    return exact === -1 ? folded.indexOf(fold(wanted)) : exact;
  };
  const columns = {
    phone: indexOf('Phone'),
    countryCode: indexOf('CountryCode'),
    required: options.required.map((parameter) => ({ parameter, index: indexOf(parameter) })),
    optional: options.optional
      .map((parameter) => ({ parameter, index: indexOf(parameter) }))
      .filter(({ index }) => index !== -1),
  };
  if (columns.phone === -1) faults.add(0, 'Phone', phoneMissing(names, options.foreignDelimiter));
  const parameters = [...columns.required, ...columns.optional];
  const isParameter = new Set(parameters.map(({ index }) => index));
  const named = options.takesReference ? indexOf('Reference') : -1;
  const reference = named === -1 || isParameter.has(named) ? undefined : named;
  const used = new Set([columns.phone, columns.countryCode, ...isParameter, reference ?? -1]);
  noteAmbiguous({ names, folded, used }, faults);
  if (options.exact) noteInexact(cells, { wanted: ['Phone', 'CountryCode', ...options.required], indexOf }, faults);
  const spare = names.map((name, index) => ({ name, index })).filter(({ index }) => !used.has(index));
  noteMissing(columns.required, { names, spare }, faults);
  noteNearlyOptional(options.optional, { columns: columns.optional, spare }, faults);
  if (columns.countryCode === -1) noteNearly(spare, folded, faults);
  if (faults.count > 0) return undefined;
  const watched = columns.countryCode === -1 ? spare : [];
  return {
    names,
    phone: columns.phone,
    required: columns.required,
    optional: columns.optional,
    reference,
    countryCode: columns.countryCode === -1 ? undefined : columns.countryCode,
    others: watched.map((column) => ({ ...column, hint: columnHint(folded[column.index] ?? '') })),
  };
}

function noteNames(names: readonly string[], faults: CsvFaults): void {
  const seen = new Set<string>();
  for (const [index, name] of names.entries()) {
    const lower = name.toLowerCase();
    if (isBlank(name)) {
      const numbering =
        index === 0 ? ' (programs that number the rows leave it out: pandas does not with index=False)' : '';
      faults.add(0, undefined, `column ${index + 1} has no name${numbering}: name it, or remove it`);
    } else if (seen.has(lower)) faults.add(0, name, 'there are two columns of this name');
    seen.add(lower);
  }
}

interface Header {
  names: readonly string[];
  /** The normalized names. */
  folded: readonly string[];
  /** Indexes of the columns that are read. */
  used: ReadonlySet<number>;
}

/** Finds two columns whose names are the same after normalization, if one of them is used: it is unclear which is meant. */
function noteAmbiguous({ names, folded, used }: Header, faults: CsvFaults): void {
  const byName = Map.groupBy(folded.keys(), (index) => folded[index] ?? '');
  for (const [name, [first, second]] of byName) {
    if (first === undefined || second === undefined || name === '') continue;
    if (name !== 'phone' && name !== 'countrycode') continue;
    if (names[first]?.toLowerCase() === names[second]?.toLowerCase() || !used.has(first)) continue;
    faults.add(0, names[second], `this is nearly the name of column ${first + 1}: remove one of the two`);
  }
}

function noteInexact(
  cells: readonly string[],
  { wanted, indexOf }: { wanted: readonly string[]; indexOf: (name: string) => number },
  faults: CsvFaults,
): void {
  for (const name of wanted) {
    const cell = cells[indexOf(name)];
    if (cell === undefined || cell.toLowerCase() === name.toLowerCase()) continue;
    faults.add(
      0,
      cell.trim(),
      `WATI reads this file itself: call the column ${name}, without blanks around, or send it to /v1/broadcasts/import`,
    );
  }
}

interface Spare {
  name: string;
  index: number;
}

/** The unused column whose name is most similar to the wanted one, unless the two differ only in a digit, as in a numbered series. */
function nearestSpare(wanted: string, spare: readonly Spare[]): string | undefined {
  const withoutDigits = (name: string) => fold(name).replaceAll(/\d/g, '');
  const isOther = (name: string) =>
    withoutDigits(name) === withoutDigits(wanted) && /\d/.test(name) && /\d/.test(wanted);
  const byFold = new Map(spare.filter(({ name }) => !isOther(name)).map(({ name }) => [fold(name), name]));
  return byFold.get(nearest(fold(wanted), [...byFold.keys()]) ?? '');
}

function noteMissing(
  required: CsvColumns['required'],
  { names, spare }: { names: readonly string[]; spare: readonly Spare[] },
  faults: CsvFaults,
): void {
  for (const { parameter, index } of required) {
    if (index !== -1) continue;
    const near = nearestSpare(parameter, spare);
    const advice = near === undefined ? '' : `; if "${shown(near)}" is meant, call it ${parameter}`;
    faults.add(0, parameter, `the template parameter has no column; found: ${listed(names)}${advice}`);
  }
}

/** Adds a fault for a column whose name is similar to an optional parameter: its values would be left out of the messages silently. */
function noteNearlyOptional(
  optional: readonly string[],
  { columns, spare }: { columns: CsvColumns['optional']; spare: readonly Spare[] },
  faults: CsvFaults,
): void {
  for (const parameter of optional) {
    if (columns.some((column) => column.parameter === parameter)) continue;
    const near = nearestSpare(parameter, spare);
    if (near !== undefined) {
      faults.add(0, near, `this is nearly the template parameter ${parameter}: call it ${parameter}, or remove it`);
    }
  }
}

function noteNearly(spare: readonly Spare[], folded: readonly string[], faults: CsvFaults): void {
  for (const { name, index } of spare) {
    const own = folded[index] ?? '';
    const nearly =
      isNear(own, 'countrycode', 2) ||
      /^(phone|mobile|tel)?(country|calling|dial|dialing|dialling|isd)(calling|dial|dialing|phone)?code$/.test(own) ||
      own === 'countryprefix';
    if (nearly) faults.add(0, name, 'this is nearly CountryCode: call it CountryCode, or remove it');
  }
}

function phoneMissing(names: readonly string[], foreignDelimiter: string | undefined): string {
  if (foreignDelimiter !== undefined) {
    return `this column is missing; found: ${listed(names)}; ${separatedBy(foreignDelimiter)}`;
  }
  if (names.some((name) => (name.match(/\d/g)?.length ?? 0) >= 7)) {
    return 'this column is missing: the first line holds a number, and has to name the columns, one of them Phone';
  }
  const joined = names.length === 1 ? separatorIn(names[0] ?? '') : undefined;
  if (joined !== undefined) return `this column is missing; found: ${listed(names)}; ${joined}`;
  const near = names.filter((name) => phoneNames.test(fold(name)) || isNear(fold(name), 'phone', 2));
  const advice = near.length === 1 ? `; if "${shown(near[0] ?? '')}" holds the number, call it Phone` : '';
  return `this column is missing; found: ${listed(names)}${advice}`;
}

/** A header with a single name: it may contain all names, separated by another character. */
function separatorIn(name: string): string | undefined {
  if (/[,;\t]/.test(name))
    return 'the whole line is in quotes: save the file anew, with quotes around single cells alone';
  const separator = /[|^~¦\uFF0C\uFF1B\u3001\u060C\u061B]|\p{Cc}|\s{2,}/u.exec(name)?.[0];
  if (separator === undefined) return undefined;
  return separatedBy(
    separator.trim() === '' ? 'blanks' : /\p{Cc}/u.test(separator) ? 'a control character' : separator,
  );
}

const cut = (name: string): string => (name.length > 40 ? `${name.slice(0, 40)}…` : name);

/** Hides digits, which may be a phone number if the header row is missing. */
const shown = (name: string): string => cut(name).replaceAll(/\d{5,}/g, '…');

/** The first names, for the reader to compare. */
function listed(names: readonly string[]): string {
  const first = names.slice(0, 20).map(shown);
  return `${first.join(', ')}${names.length > first.length ? ` and ${names.length - first.length} more` : ''}`;
}
