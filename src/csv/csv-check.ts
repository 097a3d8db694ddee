import { finished } from 'node:stream/promises';
import { CsvError, type Parser, parse } from 'csv-parse';
import { valueFault } from '../template-value.ts';
import { UploadError } from '../upload/upload-error.ts';
import { CsvFaults } from './csv-faults.ts';
import { NumberTable } from './number-table.ts';

/** The header row has to be held until its end shows which delimiter it uses. */
const HEADER_BYTES_MAX = 64 * 1024;
const BOM = Buffer.from('\uFEFF');
/** Bounds what one row can take, however many cells it has. */
const ROW_CELLS_MAX = 64;

/** A template has some ten parameters; whoever exports a whole customer table may have more columns beside them. */
const COLUMNS_MAX = 256;

/** The rule for recipients everywhere in this service. */
const NUMBER = /^[1-9][0-9]{6,14}$/;
/** U+FFFD is what bytes that are no UTF-8 are decoded to; written by the caller, it is the trace of a bad conversion. */
const NOT_TEXT = /[\0\uFFFD]/;

export interface CsvRow {
  /** Country code and number, digits only. */
  to: string;
  /** By the names in `requiredColumns`. */
  values: Record<string, string>;
}

export interface CsvCheckOptions {
  /** Template parameters: each needs a column, and a value in every row. */
  requiredColumns?: readonly string[];
  rowsMax: number;
  cellBytesMax: number;
  /** Called with each row while the file is without fault. Whether it stays so is known only after `end()`. */
  onRow?: (row: CsvRow, number: number) => void;
}

export interface CsvCheck {
  /** Throws UploadError `invalid-csv` when the rest cannot be read: bad header, broken quotes, too many rows. */
  write(chunk: Uint8Array): void;
  /** Rejects with UploadError `invalid-csv` when there was any fault, else tells the number of data rows. */
  end(): Promise<{ rows: number }>;
}

/**
 * Checks a CSV of recipients while its bytes pass (contract, section 4): UTF-8, RFC 4180 with comma or semicolon, a
 * header row with `Phone` and perhaps `CountryCode`, every number once. Memory is a row, the first 100 faults, and 16
 * bytes or so for each number.
 */
export function createCsvCheck(options: CsvCheckOptions): CsvCheck {
  return new Checker(options);
}

interface Columns {
  names: string[];
  phone: number;
  countryCode: number | undefined;
  required: { parameter: string; index: number }[];
}

class Checker implements CsvCheck {
  readonly #options: CsvCheckOptions;
  readonly #numbers = new NumberTable();
  readonly #faults = new CsvFaults();
  #rows = 0;
  #start: Buffer[] = [];
  #startLength = 0;
  #quoted = false;
  #separators = { commas: 0, semicolons: 0 };
  #parser: Parser | undefined;
  #columns: Columns | undefined;

  constructor(options: CsvCheckOptions) {
    this.#options = options;
  }

  write(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#parser) this.#feed(this.#parser, bytes);
    else if (this.#headerEndsIn(bytes)) this.#open();
  }

  async end(): Promise<{ rows: number }> {
    const parser = this.#parser ?? this.#open();
    parser.end();
    try {
      await finished(parser.resume());
    } catch (error) {
      throw this.#broken(error);
    }
    if (this.#rows === 0 && this.#faults.count === 0) this.#faults.add(0, undefined, 'the file has no rows');
    if (this.#faults.count > 0) throw this.#faults.refusal();
    return { rows: this.#rows };
  }

  /** Holds the header row and counts what could separate its cells. */
  #headerEndsIn(bytes: Buffer): boolean {
    // A copy: whoever wrote the chunk may use its memory again.
    this.#start.push(Buffer.from(bytes));
    this.#startLength += bytes.length;
    for (const byte of bytes) {
      if (byte === 0x22) this.#quoted = !this.#quoted;
      else if (this.#quoted) continue;
      else if (byte === 0x2c) this.#separators.commas += 1;
      else if (byte === 0x3b) this.#separators.semicolons += 1;
      else if (byte === 0x0a) return true;
    }
    if (this.#startLength <= HEADER_BYTES_MAX) return false;
    this.#faults.add(0, undefined, `the header row has no end within ${HEADER_BYTES_MAX} bytes`);
    throw this.#faults.refusal();
  }

  #open(): Parser {
    const { commas, semicolons } = this.#separators;
    const parser = parse({
      // Not `bom`: csv-parse would then take UTF-16 too.
      delimiter: semicolons > commas ? ';' : ',',
      record_delimiter: ['\r\n', '\n'],
      // Ragged rows are counted as faults of their own; csv-parse would stop at the first.
      relax_column_count: true,
      max_record_size: Math.max(HEADER_BYTES_MAX, this.#options.cellBytesMax * ROW_CELLS_MAX),
      // Takes every row inside write(), and leaves nothing for the readable side.
      on_record: (cells: string[]) => {
        this.#take(cells);
        return null;
      },
    });
    // The error is read from `errored` and from finished().
    parser.on('error', () => {});
    this.#parser = parser;
    const held = Buffer.concat(this.#start);
    const start = held.subarray(held.indexOf(BOM) === 0 ? BOM.length : 0);
    this.#start = [];
    if (start.length > 0) this.#feed(parser, start);
    return parser;
  }

  #feed(parser: Parser, bytes: Buffer): void {
    parser.write(bytes);
    if (parser.errored) throw this.#broken(parser.errored);
  }

  #take(cells: string[]): void {
    if (this.#columns === undefined) {
      this.#columns = this.#readHeader(cells);
      return;
    }
    this.#rows += 1;
    if (this.#rows > this.#options.rowsMax) {
      this.#faults.add(this.#rows, undefined, `the file has more than ${this.#options.rowsMax} rows`);
      throw this.#faults.refusal();
    }
    this.#readRow(cells, this.#columns);
  }

  #readHeader(names: string[]): Columns {
    if (names.length > COLUMNS_MAX) {
      this.#faults.add(0, undefined, `the header has ${names.length} columns, at most ${COLUMNS_MAX}`);
      throw this.#faults.refusal();
    }
    const lower = names.map((name) => name.toLowerCase());
    const seen = new Set<string>();
    names.forEach((name, index) => {
      if (name.trim() === '') this.#faults.add(0, undefined, `column ${index + 1} has no name`);
      else if (seen.has(lower[index] ?? '')) this.#faults.add(0, name, 'there are two columns of this name');
      seen.add(lower[index] ?? '');
      this.#readCell(0, name, name);
    });
    const find = (name: string, missing: string): number => {
      const index = lower.indexOf(name.toLowerCase());
      if (index === -1) this.#faults.add(0, name, missing);
      return index;
    };
    const phone = find('Phone', 'this column is missing');
    const required = (this.#options.requiredColumns ?? []).map((parameter) => ({
      parameter,
      index: find(parameter, 'the template parameter has no column'),
    }));
    if (this.#faults.count > 0) throw this.#faults.refusal();
    const countryCode = lower.indexOf('countrycode');
    return { names, phone, countryCode: countryCode === -1 ? undefined : countryCode, required };
  }

  #readRow(cells: string[], columns: Columns): void {
    const row = this.#rows;
    if (cells.length !== columns.names.length) {
      const blank = cells.length === 1 && cells[0] === '';
      const detail = blank ? 'the row is blank' : `${cells.length} cells, the header has ${columns.names.length}`;
      this.#faults.add(row, undefined, detail);
      return;
    }
    let sound = true;
    for (const [index, cell] of cells.entries()) {
      if (!this.#readCell(row, columns.names[index] ?? '', cell)) sound = false;
    }
    const to = this.#readNumber(row, cells, columns);
    for (const { parameter, index } of columns.required) {
      const fault = valueFault(cells[index] ?? '');
      if (fault !== undefined) this.#faults.add(row, parameter, `the value ${fault}`);
    }
    if (to === undefined || !sound || this.#faults.count > 0 || !this.#options.onRow) return;
    const values = Object.fromEntries(columns.required.map(({ parameter, index }) => [parameter, cells[index] ?? '']));
    this.#options.onRow({ to, values }, row);
  }

  #readCell(row: number, column: string, cell: string): boolean {
    const { cellBytesMax } = this.#options;
    if (NOT_TEXT.test(cell)) this.#faults.add(row, column, 'the cell has a NUL or bytes that are not UTF-8');
    // A UTF-16 unit is at most 3 bytes: most cells need no counting.
    else if (cell.length * 3 > cellBytesMax && Buffer.byteLength(cell) > cellBytesMax) {
      this.#faults.add(row, column, `the cell has more than ${cellBytesMax} bytes`);
    } else return true;
    return false;
  }

  #readNumber(row: number, cells: string[], { names, phone, countryCode }: Columns): string | undefined {
    const whole = (countryCode === undefined ? '' : (cells[countryCode] ?? '')) + (cells[phone] ?? '');
    const to = whole.startsWith('+') ? whole.slice(1) : whole;
    if (!NUMBER.test(to)) {
      this.#faults.add(row, names[phone], 'not a number with its country code: 7 to 15 digits, no 0 first');
      return undefined;
    }
    const earlier = this.#numbers.add(Number(to), row);
    if (earlier !== undefined)
      this.#faults.add(row, names[phone], `the number is given twice, first in row ${earlier}`);
    return to;
  }

  /** csv-parse gave up: what follows cannot be told apart into rows. */
  #broken(error: unknown): unknown {
    if (error instanceof UploadError || !(error instanceof CsvError)) return error;
    const row = this.#columns === undefined ? 0 : this.#rows + 1;
    const tooLong = error.code === 'CSV_MAX_RECORD_SIZE';
    this.#faults.add(
      row,
      undefined,
      tooLong ? 'the row is too long' : 'quotes are not closed, or stand where they may not',
    );
    return this.#faults.refusal(error);
  }
}
