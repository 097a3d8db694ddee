import { createCsvCheck } from '../../src/csv/csv-check.ts';
import type { CsvCheckOptions, CsvRow } from '../../src/csv/csv-rows.ts';
import { PhoneNumbers } from '../../src/recipients/phone-numbers.ts';
import { checkFile } from '../../src/upload/file-kind.ts';
import { UploadError } from '../../src/upload/upload-error.ts';

const numbers = new PhoneNumbers();
const parameters = ['customer_name'];

interface Told {
  pointer: string;
  detail: string;
  row?: number;
  line?: number;
}

/** What the service makes of a file: the rows that it would send, or the faults that it tells. */
export async function read(file: string | Buffer, options: Partial<CsvCheckOptions> = {}): Promise<CsvRow[] | Told[]> {
  const rows: CsvRow[] = [];
  const bytes = Buffer.from(file);
  try {
    await checkFile('csv', { declared: 'text/csv', name: 'a.csv', firstBytes: bytes.subarray(0, 4100) });
    const limits = { rowsMax: 1_000, cellBytesMax: 4_096 };
    const check = createCsvCheck({
      numbers,
      requiredColumns: parameters,
      ...limits,
      onRow: (row) => rows.push(row),
      ...options,
    });
    check.write(bytes);
    await check.end();
    return rows;
  } catch (error) {
    if (!(error instanceof UploadError)) throw error;
    return error.errors ?? [{ pointer: '', detail: error.detail }];
  }
}
