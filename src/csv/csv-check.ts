import { finished } from 'node:stream/promises';
import { CsvError, type Parser, parse } from 'csv-parse';
import type { FieldError } from '../problem.ts';
import { foreignFile } from '../upload/foreign-file.ts';
import { UploadError } from '../upload/upload-error.ts';
import { isBlankRow, lineBreaksIn } from './csv-cells.ts';
import { type CsvColumns, readHeader, separatedBy } from './csv-columns.ts';
import { CsvFaults } from './csv-faults.ts';
import { CsvRecipients } from './csv-recipients.ts';
import { type CsvCheckOptions, RowReader } from './csv-rows.ts';
import { type CsvDialect, CsvStart } from './csv-start.ts';

/** The longest row, however many cells it has. */
const rowCellsMax = 64;
const rowBytesMin = 64 * 1024;

export interface CsvCheck {
  /** Throws UploadError `invalid-csv` if the rest cannot be read: bad header, broken quotes, too many rows. */
  write(chunk: Uint8Array): void;
  /** Resolves with the number of data rows. Rejects with UploadError `invalid-csv` if there was a fault. */
  end(): Promise<{ rows: number }>;
}

export interface CountingCheck extends CsvCheck {
  /** Returns the findings so far. */
  found(): CsvFindings;
}

export interface CsvFindings {
  rows: number;
  /** Rows without a fault. */
  valid: number;
  /** Number of rows that repeat an earlier number. */
  duplicates: number;
  faultCount: number;
  /** The first hundred. */
  faults: readonly FieldError[];
}

/**
 * Validates a CSV of recipients as it is streamed: UTF-8 with comma, semicolon or tab, a header row with `Phone` and optionally
 * `CountryCode`, each number once. Holds one row, the first 100 faults, and about 16 bytes per number.
 */
export function createCsvCheck(options: CsvCheckOptions): CountingCheck {
  return new Checker(options);
}

class Checker implements CountingCheck {
  readonly #options: CsvCheckOptions;
  readonly #faults = new CsvFaults();
  readonly #recipients: CsvRecipients;
  readonly #reader: RowReader;
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
    this.#reader = new RowReader(options, this.#faults, this.#recipients);
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

  found(): CsvFindings {
    const { count: faultCount, listed: faults } = this.#faults;
    const { duplicates } = this.#recipients;
    return { rows: this.#rows - this.#blank.count, valid: this.#reader.valid, duplicates, faultCount, faults };
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
    this.#reader.read(this.#rows, cells, this.#columns);
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
    const { takesReference = false } = this.#options;
    for (const cell of cells) this.#reader.isSound(0, cell, cell);
    const columns = readHeader(
      cells,
      { required, optional, exact, takesReference, foreignDelimiter: this.#foreignDelimiter },
      this.#faults,
    );
    if (columns === undefined || this.#faults.count > 0) throw this.#faults.refusal();
    return columns;
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
