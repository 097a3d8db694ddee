import { finished } from 'node:stream/promises';
import { CsvError, type Parser, parse } from 'csv-parse';
import { isBlank, textFault } from '../lib/text.ts';
import { valueFault } from '../templates/template-value.ts';
import { foreignFile } from '../upload/foreign-file.ts';
import { UploadError } from '../upload/upload-error.ts';
import { type CsvColumns, readHeader, separatedBy } from './csv-columns.ts';
import { CsvFaults } from './csv-faults.ts';
import { type CsvNumberOptions, CsvRecipients } from './csv-recipients.ts';
import { type CsvDialect, CsvStart } from './csv-start.ts';

/** The longest row, however many cells it has. */
const rowCellsMax = 64;
const rowBytesMin = 64 * 1024;

export interface CsvRow {
  /** Country code and number, digits only. */
  to: string;
  /** By the names in `requiredColumns`, and those in `optionalColumns` that have a value. */
  values: Record<string, string>;
}

export interface CsvCheckOptions extends CsvNumberOptions {
  /** Template parameters. Each needs a column, and a value in every row. */
  requiredColumns?: readonly string[];
  /** Used if the file has them; a blank cell is no value. */
  optionalColumns?: readonly string[];
  /** Explains why a row is refused whose values are valid individually; undefined: it is accepted. */
  rowFault?: (values: Readonly<Record<string, string>>) => string | undefined;
  rowsMax: number;
  cellBytesMax: number;
  /** Called with each row as long as the file has no fault. Later rows may still have one: that is known only after `end()`. */
  onRow?: (row: CsvRow, number: number) => void;
}

export interface CsvCheck {
  /** Throws UploadError `invalid-csv` if the rest cannot be read: bad header, broken quotes, too many rows. */
  write(chunk: Uint8Array): void;
  /** Resolves with the number of data rows. Rejects with UploadError `invalid-csv` if there was a fault. */
  end(): Promise<{ rows: number }>;
}

/**
 * Validates a CSV of recipients as it is streamed: UTF-8 with comma, semicolon or tab, a header row with `Phone` and optionally
 * `CountryCode`, each number once. Holds one row, the first 100 faults, and about 16 bytes per number.
 */
export function createCsvCheck(options: CsvCheckOptions): CsvCheck {
  return new Checker(options);
}

class Checker implements CsvCheck {
  readonly #options: CsvCheckOptions;
  readonly #faults = new CsvFaults();
  readonly #recipients: CsvRecipients;
  readonly #start = new CsvStart();
  /** Blank rows since the last one that is not blank. They are allowed at the end of the file. */
  #blank = { count: 0, row: 0, line: 0 };
  #rows = 0;
  /** Lines that csv-parse has counted. */
  #linesCounted = 0;
  /** Line of the file on which the next row begins. */
  #nextLine = 1;
  #foreignDelimiter: string | undefined;
  #parser: Parser | undefined;
  #columns: CsvColumns | undefined;

  constructor(options: CsvCheckOptions) {
    this.#options = options;
    this.#recipients = new CsvRecipients(options, this.#faults);
  }

  write(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#parser) this.#feed(this.#parser, bytes);
    else if (this.#start.endsIn(bytes)) this.#open();
    else if (this.#start.tooLong) this.#refuse('the header row has no end within 65536 bytes');
  }

  async end(): Promise<{ rows: number }> {
    const parser = this.#parser ?? this.#open();
    parser.end();
    try {
      await finished(parser.resume());
    } catch (error) {
      throw this.#broken(error);
    }
    const rows = this.#rows - this.#blank.count;
    if (rows === 0 && this.#faults.count === 0) this.#faults.add(0, undefined, 'the file has no rows');
    if (this.#faults.count > 0) throw this.#faults.refusal();
    return { rows };
  }

  #open(): Parser {
    const { dialect, rest } = this.#start.read();
    const foreign = foreignFile(rest.subarray(0, 4100));
    if (foreign !== undefined) this.#refuse(`the file is ${foreign}`);
    if (this.#options.passedOn) this.#refuseDialect(dialect);
    const { delimiter, endsWithCr, sepLine, foreignDelimiter } = dialect;
    this.#foreignDelimiter = foreignDelimiter;
    if (sepLine) this.#nextLine = 2;
    const parser = parse({
      // Without the option `bom`, with which csv-parse would also accept UTF-16.
      delimiter,
      record_delimiter: endsWithCr ? ['\r'] : ['\r\n', '\n'],
      // Ignores blanks around a cell and its quotes; the option `trim` would also remove tabs.
      trim: !this.#options.passedOn && delimiter !== '\t',
      // Rows of another length get a fault of their own; csv-parse would stop at the first.
      relax_column_count: true,
      max_record_size: Math.max(rowBytesMin, this.#options.cellBytesMax * rowCellsMax),
      // Consumes every row inside write(), and leaves nothing for the readable side.
      on_record: (cells: string[], { lines }) => {
        this.#faults.line = this.#nextLine;
        // csv-parse counts CRLF inside a cell twice.
        const more = lines - this.#linesCounted > 1 ? lineBreaksIn(cells) : 0;
        this.#linesCounted = lines;
        this.#nextLine += 1 + more;
        this.#take(cells);
        return null;
      },
    });
    // The error is read from `errored` and from finished().
    parser.on('error', () => {});
    this.#parser = parser;
    if (rest.length > 0) this.#feed(parser, rest);
    return parser;
  }

  #refuse(detail: string): never {
    this.#faults.add(this.#rows, undefined, detail);
    throw this.#faults.refusal();
  }

  #refuseDialect({ delimiter, endsWithCr, sepLine }: CsvDialect): void {
    const remedy = 'save it with commas and plain line ends, or send it to /v1/broadcasts/import';
    if (sepLine) this.#refuse('the file begins with the line sep=, which WATI does not know: remove it');
    if (delimiter === '\t')
      this.#refuse(`the columns are separated by tabs, and WATI reads this file itself: ${remedy}`);
    if (endsWithCr) this.#refuse(`the lines end with CR alone, and WATI reads this file itself: ${remedy}`);
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
    if (isBlankRow(cells)) {
      if (this.#blank.count === 0) this.#blank = { count: 0, row: this.#rows, line: this.#faults.line };
      this.#blank.count += 1;
      return;
    }
    this.#noteBlank();
    const { rowsMax } = this.#options;
    if (this.#rows > rowsMax) this.#refuse(`the file has more than ${rowsMax} rows`);
    this.#readRow(cells, this.#columns);
  }

  /** A blank row between others may mean that something was lost. */
  #noteBlank(): void {
    const { count, row, line } = this.#blank;
    if (count === 0) return;
    const detail = count === 1 ? 'the row is blank: remove it' : `${count} rows from here on are blank: remove them`;
    this.#faults.addAt({ row, line }, undefined, detail);
    this.#blank = { count: 0, row: 0, line: 0 };
  }

  #readHeader(cells: string[]): CsvColumns {
    const { requiredColumns: required = [], optionalColumns: optional = [], passedOn: exact = false } = this.#options;
    for (const cell of cells) this.#isSound(0, cell, cell);
    const columns = readHeader(
      cells,
      { required, optional, exact, foreignDelimiter: this.#foreignDelimiter },
      this.#faults,
    );
    if (columns === undefined || this.#faults.count > 0) throw this.#faults.refusal();
    return columns;
  }

  #readRow(cells: string[], columns: CsvColumns): void {
    const row = this.#rows;
    const { names } = columns;
    if (cells.length !== names.length && !isPadded(cells, names.length)) {
      const more = cells.length > names.length ? ': put a cell that holds the separator into quotes' : '';
      this.#faults.add(row, undefined, `${cells.length} cells, the header has ${names.length}${more}`);
      return;
    }
    let sound = true;
    for (const [index, cell] of cells.entries()) if (!this.#isSound(row, names[index] ?? '', cell)) sound = false;
    const to = this.#recipients.read(row, cells, columns);
    const given = columns.optional.filter(({ index }) => !isBlank(cells[index] ?? ''));
    const parameters = [...columns.required, ...given];
    for (const { parameter, index } of parameters) {
      const cell = cells[index] ?? '';
      const fault = cell.includes('\uFFFD') ? undefined : valueFault(cell);
      if (fault !== undefined) this.#faults.add(row, parameter, `the value ${fault}`);
    }
    if (to === undefined || !sound || this.#faults.count > 0) return;
    const values = Object.fromEntries(parameters.map(({ parameter, index }) => [parameter, cells[index] ?? '']));
    const fault = this.#options.rowFault?.(values);
    if (fault === undefined) this.#options.onRow?.({ to, values }, row);
    else this.#faults.add(row, undefined, fault);
  }

  #isSound(row: number, column: string, cell: string): boolean {
    const { cellBytesMax } = this.#options;
    const fault = textFault(cell);
    if (fault !== undefined) this.#faults.add(row, column, cell.includes('\uFFFD') ? notUtf8 : `the cell ${fault}`);
    // A UTF-16 unit is at most 3 bytes in UTF-8, so most cells need no counting.
    else if (cell.length * 3 > cellBytesMax && Buffer.byteLength(cell) > cellBytesMax) {
      this.#faults.add(row, column, `the cell has more than ${cellBytesMax} bytes`);
    } else return true;
    return false;
  }

  /** csv-parse gave up: the rest cannot be split into rows. */
  #broken(error: unknown): unknown {
    if (error instanceof UploadError || !(error instanceof CsvError)) return error;
    const tooLong = error.code === 'CSV_MAX_RECORD_SIZE';
    const foreign = this.#columns === undefined ? this.#foreignDelimiter : undefined;
    this.#faults.line = this.#nextLine;
    this.#faults.add(
      this.#columns === undefined ? 0 : this.#rows + 1,
      undefined,
      tooLong
        ? 'the row is too long'
        : foreign === undefined
          ? 'quotes are not closed, or stand where they may not: write a quote inside of a cell twice, and the cell in quotes'
          : separatedBy(foreign),
    );
    return this.#faults.refusal(error);
  }
}

const notUtf8 =
  'the cell has bytes that are not UTF-8 (the plain "CSV" of Excel is Windows-1252): save the file as "CSV UTF-8 (Comma delimited)"';

const lineBreaksIn = (cells: readonly string[]): number =>
  cells.reduce((sum, cell) => sum + (cell.match(/\r\n|\r|\n/g)?.length ?? 0), 0);

/** All cells after the named columns are empty. */
const isPadded = (cells: readonly string[], width: number): boolean =>
  cells.length > width && cells.slice(width).every(isBlank);

/** A quick check: most rows begin with a visible character. */
const isBlankRow = (cells: readonly string[]): boolean => !/^[!-~]/.test(cells[0] ?? '') && cells.every(isBlank);
