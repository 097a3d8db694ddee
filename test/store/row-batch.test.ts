import { expect, test, vi } from 'vitest';
import { StoreError } from '../../src/store/errors.ts';
import { RowBatch } from '../../src/store/sql/row-batch.ts';

interface Item {
  id: string;
  n: number;
}

/** Creates a database that answers when the test says so, and changes no row whose id begins with `no`. */
function heldWrites() {
  const writes: { kind: string; ids: string[]; answer: (failure?: Error) => void }[] = [];
  const writing = (kind: string, items: readonly Item[]) =>
    new Promise<{ id: string; n: number }[]>((resolve, reject) => {
      const rows = items.filter(({ id }) => !id.startsWith('no')).toReversed();
      const answer = (failure?: Error) => (failure ? reject(failure) : resolve(rows));
      writes.push({ kind, ids: items.map(({ id }) => id), answer });
    });
  const batch = new RowBatch<Item>(
    {
      one: (item) => writing('one', [item]),
      all: (items) => writing('all', items),
      alone: (item) => writing('alone', [item]),
    },
    3,
  );
  const nth = (n: number) => vi.waitFor(() => writes[n] ?? expect.fail(`write ${n} has not come`), { interval: 1 });
  return { batch, nth, writes, seen: () => writes.map(({ kind, ids }) => [kind, ...ids]) };
}

const refused = (code: string, notCommitted = true) =>
  new StoreError(code, { notCommitted, cause: Object.assign(new Error(code), { code }) });

test('requests made during a write share the next one, each gets its own row, and none changes a row twice', async () => {
  const { batch, nth, seen } = heldWrites();
  const answers = [batch.add({ id: 'a', n: 0 })];
  (await nth(0)).answer();
  answers.push(...['b', 'no', 'c', 'd', 'b', 'e', 'b'].map((id, n) => batch.add({ id, n: n + 1 })));
  for (const n of [1, 2, 3]) (await nth(n)).answer();
  expect(seen()).toEqual([
    ['one', 'a'],
    ['all', 'b', 'no', 'c'],
    ['all', 'd', 'b', 'e'],
    ['one', 'b'],
  ]);
  expect((await Promise.all(answers)).map((row) => row?.n)).toEqual([0, 1, undefined, 3, 4, 5, 6, 7]);
});

test('one row that makes a joint write fail is found by writing each alone, and what comes meanwhile does not wait', async () => {
  for (const code of ['22P05', '23505', '40P01', '54000', '55P03', 'XX001']) {
    const { batch, nth, seen } = heldWrites();
    const answers = ['a', 'b'].map((id, n) => batch.add({ id, n }));
    const settled = Promise.allSettled(answers);
    (await nth(0)).answer(refused(code));
    const later = batch.add({ id: 'c', n: 2 });
    (await nth(3)).answer();
    expect(await later).toMatchObject({ n: 2 });
    (await nth(1)).answer(refused(code));
    (await nth(2)).answer();
    expect(await settled).toMatchObject([{ reason: { message: code } }, { value: { n: 1 } }]);
    expect(seen()).toEqual([
      ['all', 'a', 'b'],
      ['alone', 'a'],
      ['alone', 'b'],
      ['one', 'c'],
    ]);
  }
});

test('a write whose failure is not that of a row, or may have been committed, fails for all of them', async () => {
  const failures = [refused('57014'), refused('23505', false), new StoreError('lost'), new Error('23505')];
  for (const failure of failures) {
    const { batch, nth, writes } = heldWrites();
    const settled = Promise.allSettled(['a', 'b'].map((id, n) => batch.add({ id, n })));
    (await nth(0)).answer(failure);
    expect(await settled).toMatchObject([{ reason: failure }, { reason: failure }]);
    const later = batch.add({ id: 'c', n: 2 });
    (await nth(1)).answer();
    expect(await later).toMatchObject({ n: 2 });
    expect(writes).toHaveLength(2);
  }
});
