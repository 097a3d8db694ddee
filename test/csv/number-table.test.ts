import { expect, it } from 'vitest';
import { NumberTable } from '../../src/csv/number-table.ts';

it('finds the first row of each number again, however much it has grown', () => {
  const table = new NumberTable();
  const numberOf = (row: number) => 919_800_000_000 + ((row * 48_271) % 99_999_989);
  const rows = 70_000;
  const earlier = new Set<number | undefined>();
  for (let row = 1; row <= rows; row += 1) earlier.add(table.add(numberOf(row), row));
  expect([...earlier]).toEqual([undefined]);
  const lost = Array.from({ length: rows }, (_, n) => n + 1).filter(
    (row) => table.add(numberOf(row), rows + row) !== row,
  );
  expect(lost).toEqual([]);
});
