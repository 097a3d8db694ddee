import { isBlank } from '../lib/text.ts';
import type { NumberReading, PhoneNumbers } from '../recipients/phone-numbers.ts';
import { cellHint } from './code-hints.ts';
import type { CsvColumns } from './csv-columns.ts';
import type { CsvFaults } from './csv-faults.ts';
import { NumberTable } from './number-table.ts';

const otherCode = 'the cell looks like the country code of the number: call the column CountryCode, or remove it';
const otherCountry =
  'the number is one of this country with its country code left out, or one of another: write it with + and its country code';

export interface CsvNumberOptions {
  numbers: PhoneNumbers;
  /** ISO codes of the accepted countries; absent: all. */
  countries?: readonly string[];
  /** The file is passed on to WATI, which reads it itself, so numbers that only this service would understand are refused. */
  passedOn?: boolean;
}

/** Reads the number of each row, from one cell or two, and finds duplicates. */
export class CsvRecipients {
  readonly #options: CsvNumberOptions;
  readonly #faults: CsvFaults;
  readonly #known = new NumberTable();
  /** Number of rows that repeat an earlier number. */
  duplicates = 0;

  constructor(options: CsvNumberOptions, faults: CsvFaults) {
    this.#options = options;
    this.#faults = faults;
  }

  /** Digits only; undefined: the number has a fault, which is added. */
  read(row: number, cells: string[], columns: CsvColumns): string | undefined {
    const column = columns.names[columns.phone];
    const reading = this.#numberIn(cells, columns);
    if ('fault' in reading) {
      this.#faults.add(row, column, `the number ${reading.fault}`);
      return undefined;
    }
    if (!cells[columns.phone]?.startsWith('+'))
      this.#suspectCodes(row, cells, { number: reading.to, others: columns.others });
    const earlier = this.#known.add(Number(reading.to), row);
    if (earlier !== undefined) {
      this.duplicates += 1;
      this.#faults.add(row, column, `the number is given twice, first in row ${earlier}`);
    }
    return reading.to;
  }

  #numberIn(cells: string[], { phone, countryCode }: CsvColumns): NumberReading {
    const { numbers, countries, passedOn } = this.#options;
    const number = cells[phone] ?? '';
    const code = countryCode === undefined ? undefined : (cells[countryCode] ?? '');
    const alone = code === undefined || (isBlank(code) && number.startsWith('+'));
    const reading = alone ? numbers.read(number, countries) : numbers.readPair(code, number, countries);
    if (passedOn && 'to' in reading && !(/^\+?\d+$/.test(number) && /^\+?\d*$/.test(code ?? ''))) {
      return { fault: 'is not plain, and WATI reads this file itself: write digits, with or without + in front' };
    }
    return reading;
  }

  /** Adds a fault if an unknown column contains country codes, which would be missing from the numbers. */
  #suspectCodes(
    row: number,
    cells: string[],
    { number, others }: { number: string } & Pick<CsvColumns, 'others'>,
  ): void {
    const { numbers } = this.#options;
    for (const { name, index, hint } of others) {
      const cell = cells[index] ?? '';
      if (cell === '') continue;
      const seen = cellHint(cell, hint, numbers.countryNames);
      if (seen === undefined) continue;
      const isCode = seen.as === 'plus' || (seen.as === 'digits' && hint === 'code');
      if (isCode || numbers.mayLack(seen.code, number, { isOnlyHint: hint === 'nothing' })) {
        this.#faults.add(row, name, seen.as === 'country' ? otherCountry : otherCode);
      }
    }
  }
}
