import { UploadError } from '../upload/upload-error.ts';

const LISTED_MAX = 100;

export interface CsvFault {
  /** Data rows count from 1; 0 is the header. */
  row: number;
  column?: string;
  detail: string;
}

/** Lists the first 100 faults of a file and counts the others. */
export class CsvFaults {
  readonly #listed: CsvFault[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(row: number, column: string | undefined, detail: string): void {
    this.#count += 1;
    if (this.#listed.length >= LISTED_MAX) return;
    this.#listed.push(column === undefined ? { row, detail } : { row, column, detail });
  }

  refusal(cause?: unknown): UploadError {
    const count = `${this.#count} ${this.#count === 1 ? 'fault' : 'faults'}`;
    const cut = this.#count > LISTED_MAX ? `; the first ${LISTED_MAX} are listed` : '';
    const errors = this.#listed.map(({ row, column, detail }) => ({ pointer: pointerTo(row, column), detail }));
    return new UploadError('invalid-csv', `${count}${cut}`, { errors, cause });
  }
}

/** RFC 6901: `/rows/17/Phone`. */
function pointerTo(row: number, column: string | undefined): string {
  const base = `/rows/${row}`;
  return column === undefined ? base : `${base}/${column.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
