import { isBlank } from '../lib/text.ts';

export const notUtf8 =
  'the cell has bytes that are not UTF-8 (the plain "CSV" of Excel is Windows-1252): save the file as "CSV UTF-8 (Comma delimited)"';

export const lineBreaksIn = (cells: readonly string[]): number =>
  cells.reduce((sum, cell) => sum + (cell.match(/\r\n|\r|\n/g)?.length ?? 0), 0);

/** True if all cells after the named columns are empty. */
export const isPadded = (cells: readonly string[], width: number): boolean =>
  cells.length > width && cells.slice(width).every(isBlank);

/** A quick check: most rows begin with a visible character. */
export const isBlankRow = (cells: readonly string[]): boolean => !/^[!-~]/.test(cells[0] ?? '') && cells.every(isBlank);

const referenceMax = 255;
const lineBreak = /[\t\r\n\u2028\u2029]/;

/** Returns why a reference is refused. The cell itself has been validated. */
export function referenceFault(text: string): string | undefined {
  if (lineBreak.test(text)) return 'has a line break or a tab, and must be one line';
  if (text.length <= referenceMax) return undefined;
  const length = [...text].length;
  return length > referenceMax ? `has ${length} characters, at most ${referenceMax}` : undefined;
}
