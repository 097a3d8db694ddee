import { counted } from '../lib/counted.ts';
import { pointerPart } from '../lib/json-pointer.ts';
import type { FieldError } from '../problem.ts';
import { UploadError } from '../upload/upload-error.ts';

const LISTED_MAX = 100;

/** Lists the first 100 faults of a file and counts the others. */
export class CsvFaults {
  readonly #listed: FieldError[] = [];
  #count = 0;
  /** Line of the file, from 1, on which the current row begins. */
  line = 1;

  get listed(): readonly FieldError[] {
    return this.#listed;
  }

  get count(): number {
    return this.#count;
  }

  /** Data rows count from 1; 0 is the header. */
  add(row: number, column: string | undefined, detail: string): void {
    this.addAt({ row, line: this.line }, column, detail);
  }

  addAt({ row, line }: { row: number; line: number }, column: string | undefined, detail: string): void {
    this.#count += 1;
    if (this.#listed.length < LISTED_MAX) this.#listed.push({ pointer: pointerTo(row, column), detail, row, line });
  }

  refusal(cause?: unknown): UploadError {
    const cut = this.#count > LISTED_MAX ? `; the first ${LISTED_MAX} are listed` : '';
    return new UploadError('invalid-csv', `${counted(this.#count, 'fault')}${cut}`, { errors: this.#listed, cause });
  }
}

/** RFC 6901: `/rows/17/Phone`. */
function pointerTo(row: number, column: string | undefined): string {
  const base = `/rows/${row}`;
  return column === undefined ? base : `${base}${pointerPart(column)}`;
}
