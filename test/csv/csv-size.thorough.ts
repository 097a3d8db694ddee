import { expect, it } from 'vitest';
import { createCsvCheck } from '../../src/csv/csv-check.ts';
import { PhoneNumbers } from '../../src/recipients/phone-numbers.ts';

const numbers = new PhoneNumbers();

async function check(file: string, rowsMax: number) {
  const csv = createCsvCheck({ numbers, rowsMax, cellBytesMax: 40 });
  csv.write(Buffer.from(file));
  return csv.end();
}

it('finds a duplicate number in a CSV of 200,000', async () => {
  const rows = Array.from({ length: 200_000 }, (_, i) => String(919_800_000_000 + i * 128));
  expect(await check(`Phone\n${rows.join('\n')}\n`, 200_000)).toMatchObject({ rows: 200_000 });
  await expect(check(`Phone\n${rows.join('\n')}\n${rows[150_000]}\n`, 300_000)).rejects.toMatchObject({
    errors: [{ pointer: '/rows/200001/Phone', detail: expect.stringContaining('row 150001') }],
  });
});
