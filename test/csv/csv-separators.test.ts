import { describe, expect, it } from 'vitest';
import { createCsvCheck } from '../../src/csv/csv-check.ts';
import { PhoneNumbers } from '../../src/recipients/phone-numbers.ts';
import { UploadError } from '../../src/upload/upload-error.ts';

async function told(text: string): Promise<string> {
  const limits = { rowsMax: 10, cellBytesMax: 100 };
  const check = createCsvCheck({ numbers: new PhoneNumbers(), requiredColumns: ['name'], ...limits });
  try {
    check.write(Buffer.from(text));
    return `${(await check.end()).rows} rows`;
  } catch (error) {
    if (!(error instanceof UploadError)) throw error;
    return error.errors?.map(({ detail }) => detail).join('; ') ?? error.detail;
  }
}

describe('a CSV whose columns are separated by', () => {
  it.each([
    ['comma', 'Phone,name\n919812345670,Asha\n', '1 rows'],
    ['semicolon', 'Phone;name\n919812345670;"a|b:c"\n', '1 rows'],
    ['tab', 'Phone\tname\n919812345670\tAsha\n', '1 rows'],
    ['bar', 'Phone|name\n919812345670|Asha\n', 'the columns are separated by |'],
    ['bar, in quotes', '"Phone"|"name"\n"919812345670"|"A, B"\n', 'the columns are separated by |'],
    ['colon, in quotes', '"Phone":"name"\n"919812345670":"Asha"\n', 'the columns are separated by :'],
    ['sep=|', 'sep=|\nPhone|name\n919812345670|Asha\n', 'the columns are separated by |'],
    ['nothing, with a colon in its name', 'Phone: home\n919812345670\n', 'this column is missing'],
  ])('%s is told so, or read', async (_, text, expected) => {
    expect(await told(text)).toContain(expected);
  });
});
