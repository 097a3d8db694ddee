import { isBlank, textFault } from '../lib/text.ts';
import { valueFault } from '../templates/template-value.ts';
import { isPadded, notUtf8, referenceFault } from './csv-cells.ts';
import type { CsvColumns } from './csv-columns.ts';
import type { CsvFaults } from './csv-faults.ts';
import type { CsvNumberOptions, CsvRecipients } from './csv-recipients.ts';

export interface CsvRow {
  /** Country code and number, digits only. */
  to: string;
  /** Values by column: all of `requiredColumns`, and those of `optionalColumns` that have a value. */
  values: Record<string, string>;
  /** The caller's own name for the message. */
  reference?: string;
}

export interface CsvCheckOptions extends CsvNumberOptions {
  /** Template parameters. Each needs a column, and a value in every row. */
  requiredColumns?: readonly string[];
  /** Used if the file has them; a blank cell counts as absent. */
  optionalColumns?: readonly string[];
  /** Returns why a row is refused although each of its values is valid; undefined: it is accepted. */
  rowFault?: (values: Readonly<Record<string, string>>) => string | undefined;
  /** The file may have a column `Reference`, unless a parameter has that name. */
  takesReference?: boolean;
  /** Calls `onRow` with valid rows even after a row with a fault. */
  keepsGoing?: boolean;
  rowsMax: number;
  cellBytesMax: number;
  /** Called with each row while the file has no fault (see `keepsGoing`). A later row may have one: only `end()` knows. */
  onRow?: (row: CsvRow, number: number) => void;
}

/** Checks the cells of each row, and passes valid rows on. */
export class RowReader {
  readonly #options: CsvCheckOptions;
  readonly #faults: CsvFaults;
  readonly #recipients: CsvRecipients;
  /** Rows without a fault. */
  valid = 0;

  constructor(options: CsvCheckOptions, faults: CsvFaults, recipients: CsvRecipients) {
    this.#options = options;
    this.#faults = faults;
    this.#recipients = recipients;
  }

  /** Data rows count from 1. */
  read(row: number, cells: string[], columns: CsvColumns): void {
    const { names } = columns;
    const faultsMax = this.#options.keepsGoing ? this.#faults.count : 0;
    if (cells.length !== names.length && !isPadded(cells, names.length)) {
      const more = cells.length > names.length ? ': put a cell that holds the separator into quotes' : '';
      this.#faults.add(row, undefined, `${cells.length} cells, the header has ${names.length}${more}`);
      return;
    }
    let sound = true;
    for (const [index, cell] of cells.entries()) if (!this.isSound(row, names[index] ?? '', cell)) sound = false;
    const to = this.#recipients.read(row, cells, columns);
    const given = columns.optional.filter(({ index }) => !isBlank(cells[index] ?? ''));
    const parameters = [...columns.required, ...given];
    for (const { parameter, index } of parameters) {
      const cell = cells[index] ?? '';
      const fault = cell.includes('\uFFFD') ? undefined : valueFault(cell);
      if (fault !== undefined) this.#faults.add(row, parameter, `the value ${fault}`);
    }
    const reference = this.#referenceIn(row, cells, columns);
    if (to === undefined || !sound || this.#faults.count > faultsMax) return;
    const values = Object.fromEntries(parameters.map(({ parameter, index }) => [parameter, cells[index] ?? '']));
    const fault = this.#options.rowFault?.(values);
    if (fault !== undefined) {
      this.#faults.add(row, undefined, fault);
      return;
    }
    this.valid += 1;
    this.#options.onRow?.({ to, values, ...(reference !== undefined && { reference }) }, row);
  }

  /** Returns undefined for a blank cell. */
  #referenceIn(row: number, cells: readonly string[], { reference: index, names }: CsvColumns): string | undefined {
    const cell = index === undefined ? '' : (cells[index] ?? '').trim();
    if (index === undefined || isBlank(cell)) return undefined;
    const fault = referenceFault(cell);
    if (fault !== undefined) this.#faults.add(row, names[index], `the reference ${fault}`);
    return cell;
  }

  isSound(row: number, column: string, cell: string): boolean {
    const { cellBytesMax } = this.#options;
    const fault = textFault(cell);
    if (fault !== undefined) this.#faults.add(row, column, cell.includes('\uFFFD') ? notUtf8 : `the cell ${fault}`);
    // A UTF-16 unit is at most 3 bytes in UTF-8, so most cells need no counting.
    else if (cell.length * 3 > cellBytesMax && Buffer.byteLength(cell) > cellBytesMax) {
      this.#faults.add(row, column, `the cell has more than ${cellBytesMax} bytes`);
    } else return true;
    return false;
  }
}
