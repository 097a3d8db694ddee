import type { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MessageFilter } from '../../src/store/message-store.ts';
import { type Dialect, type Engine, type Row, statement } from '../../src/store/sql/engine.ts';
import { readPage } from '../../src/store/sql/list-page.ts';
import { sqliteDialect } from '../../src/store/sqlite/dialect.ts';
import { openDatabase } from '../../src/store/sqlite/file.ts';
import { combinations } from './list-filters.ts';

const START = Date.parse('2026-03-01T00:00:00Z');
const at = (second: number) => new Date(START + second * 1_000).toISOString();
const SINGLES = 100_000;
const RECIPIENTS = 60_000;
/** Maximum number of rows that a page visits. It does not grow with the table. */
const BOUND = 16_000;

let db: DatabaseSync;
let visited = 0;

/** One row a second; every hundredth single send is rejected, most have gone to the same number; imports are cancelled. */
beforeAll(() => {
  db = openDatabase(':memory:');
  db.function('visit', (_row) => {
    visited++;
    return 1;
  });
  db.exec(`
    INSERT INTO broadcasts (id, caller, template, name, connection_id, status, owner, created_at, updated_at, ended_at)
      VALUES ('big', 'crm', 'promo', 'n', 'c', 'cancelled', 1, ${START + SINGLES * 1_000}, 0, 0),
        ('open', 'crm', 'promo', 'n', 'c', 'recording', 1, ${START + SINGLES * 1_000}, 0, NULL),
        ('foreign', 'shop', 'promo', 'n', 'c', 'done', 1, ${START}, 0, 0);
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${SINGLES - 1})
    INSERT INTO sends (id, caller, kind, recipient, connection_id, template, reference, status, owner, created_at, updated_at)
      SELECT 's' || i, 'crm', 'text', CASE WHEN i % 3 = 0 THEN '49' || i ELSE '491' END, 'c',
        CASE i % 4 WHEN 0 THEN 'order' WHEN 1 THEN CASE WHEN i < 2000 THEN 'rare' END END,
        CASE WHEN i % 2 = 0 THEN 'many' ELSE 'A-' || i END,
        CASE WHEN i % 100 = 0 THEN 'rejected' ELSE 'accepted' END, 1, ${START} + i * 1000, 0 FROM n;
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${RECIPIENTS - 1})
    INSERT INTO sends (id, caller, kind, recipient, connection_id, template, reference, status, owner, created_at, updated_at, broadcast_id)
      SELECT 'r' || i, CASE WHEN i % 3 = 2 THEN 'shop' ELSE 'crm' END, 'template', '49' || i, 'c', 'promo',
        CASE WHEN i % 5 = 0 THEN 'many' END,
        CASE i % 3 WHEN 0 THEN 'cancelled' WHEN 1 THEN 'staged' ELSE 'accepted' END, 1,
        CASE WHEN i % 3 = 2 THEN ${START} ELSE ${START + SINGLES * 1_000} END, 0,
        CASE i % 3 WHEN 0 THEN 'big' WHEN 1 THEN 'open' ELSE 'foreign' END FROM n;
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${40_000 - 1})
    INSERT INTO sends (id, caller, kind, recipient, connection_id, status, owner, created_at, updated_at)
      SELECT 'o' || i, 'shop', 'text', '491', 'c', 'accepted', 1, ${START + SINGLES * 1_000} + i * 1000, 0 FROM n;
    INSERT INTO deliveries (send_seq, caller, broadcast_id, rank, replied_at, source, updated_at)
      SELECT seq, caller, broadcast_id, CASE WHEN seq % 50 = 3 THEN 2 ELSE 3 END, CASE WHEN seq % 70 = 9 THEN 1 END, 'webhook', 0
      FROM sends WHERE status = 'accepted' AND seq % 4 > 0;`);
});
afterAll(() => db.close());

/** Counts every row that a statement visits, including those that it filters out. */
const engine: Pick<Engine, 'list'> = {
  list: async ({ statement: { named }, values }) => {
    const { positional, names } = statement(
      named
        .replaceAll(/\bsends( INDEXED BY \w+)? WHERE /g, 'sends$1 WHERE visit(sends.seq) = 1 AND ')
        .replaceAll(/\bdeliveries( INDEXED BY \w+)? WHERE /g, 'deliveries$1 WHERE visit(deliveries.send_seq) = 1 AND '),
    );
    return db.prepare(positional).all(...names.map((name) => values[name] ?? null));
  },
};

async function page(filter: MessageFilter, before?: number, dialect: Dialect = sqliteDialect) {
  visited = 0;
  const ask = { limit: 50, ...(before !== undefined && { before }) };
  const found = await readPage({ engine, dialect, clock: () => 0 }, { callers: ['crm'], filter }, ask);
  return { ...found, visited };
}

async function allPages(filter: MessageFilter, dialect?: Dialect): Promise<string[]> {
  const ids: string[] = [];
  let before: number | undefined;
  let pages = 0;
  do {
    const { messages, end, visited: seen } = await page(filter, before, dialect);
    ids.push(...messages.map(({ id }) => id));
    expect(seen, JSON.stringify(filter)).toBeLessThan(BOUND);
    before = end;
    expect(++pages).toBeLessThan(1_000);
  } while (before !== undefined);
  return ids;
}

const END = SINGLES + 50_000;
const filters = combinations({
  to: [undefined, '491', '1'],
  broadcastId: [undefined, 'big', 'none'],
  reference: [undefined, 'many', 'A-77'],
  template: [undefined, 'rare', 'promo'],
  status: [undefined, 'queued', 'accepted', 'rejected', 'unknown', 'cancelled'],
  delivery: [undefined, 'none', 'failed', 'replied'],
  since: [undefined, at(-1), at(SINGLES / 2), at(SINGLES - 2), at(SINGLES), at(SINGLES + 1), at(END)],
  until: [undefined, at(0), at(SINGLES / 3), at(SINGLES), at(END)],
});

test('a page of 200,000 rows visits a bounded number, whatever the filter', async () => {
  const { positional } = statement(
    "SELECT seq FROM sends WHERE visit(sends.seq) = 1 AND created_at > 9e15 AND caller = 'crm'",
  );
  visited = 0;
  db.prepare(positional).all();
  expect(visited).toBeGreaterThan(SINGLES); // checks that visited rows are counted
  // Every 53rd combination: 53 is coprime to all numbers of choices.
  for (const filter of filters.filter((_, n) => n % 53 === 0)) {
    expect((await page(filter)).visited, JSON.stringify(filter)).toBeLessThan(BOUND);
  }
}, 120_000);

test('of several filters the one that leaves least is gone by', async () => {
  for (const few of [{ template: 'rare' }, { reference: 'A-77' }, { since: at(0), until: at(30) }] as const) {
    // The other filters match tens of thousands of rows.
    const { messages, end, visited: seen } = await page({ ...few, to: '491', status: 'accepted', delivery: 'failed' });
    expect([messages.length < 50, end], JSON.stringify(few)).toEqual([true, undefined]);
    expect(seen).toBeLessThan(BOUND);
  }
});

test('a time after the newest row is answered at once, with an empty list', async () => {
  for (const filter of [{ since: at(SINGLES + 1) }, { since: at(END) }, { until: at(0) }, { until: at(-9) }]) {
    const { messages, end, visited: seen } = await page(filter);
    expect([messages, end]).toEqual([[], undefined]);
    // This caller has no row of that time, so only the broadcasts and the ends of the indexes are read.
    expect(seen).toBeLessThan(2_000);
  }
});

test('page by page nothing is lost, and nothing is shown twice', async () => {
  const asked: MessageFilter[] = [
    { since: at(SINGLES - 120) },
    { since: at(SINGLES - 30_000), status: 'rejected' },
    { status: 'accepted', since: at(SINGLES - 300) },
    { status: 'accepted', broadcastId: 'big' },
    { status: 'cancelled', broadcastId: 'big', since: at(SINGLES) },
    { to: '491', status: 'rejected' },
    { to: '4990', since: at(0) },
    { since: at(700), until: at(1_300) },
    { until: at(400), template: 'rare' },
    { reference: 'many', status: 'rejected', until: at(SINGLES / 2) },
    { reference: 'many', broadcastId: 'big', template: 'promo' },
    { delivery: 'replied', template: 'order' },
    { delivery: 'failed', reference: 'many', to: '491' },
    { delivery: 'none', since: at(SINGLES - 9_000), until: at(SINGLES - 8_000) },
  ];
  for (const filter of asked) expect(await allPages(filter), JSON.stringify(filter)).toEqual(bruteForce(filter));
}, 120_000);

test('however few rows are visited at once, any combination of filters has what it asks for', async () => {
  const dialect = { ...sqliteDialect, visits: { least: 10, first: 40, most: 80 } };
  const narrow = filters.filter(
    ({ since, until }) => since === at(SINGLES - 2) || until === at(0) || (since === at(SINGLES) && until),
  );
  for (const filter of narrow.filter((_, n) => n % 397 === 0)) {
    const window = {
      ...filter,
      since: at(SINGLES - 500),
      ...(filter.until !== undefined && { until: at(SINGLES - 100) }),
    };
    const { broadcastId: _, ...singles } = window;
    expect(await allPages(singles, dialect), JSON.stringify(singles)).toEqual(bruteForce(singles));
  }
}, 120_000);

test('a clock that was set back hides nothing from a list by time', async () => {
  db.exec(`INSERT INTO sends (id, caller, kind, connection_id, status, owner, created_at, updated_at) VALUES
    ('ahead', 'clock', 'text', 'c', 'accepted', 1, ${START + 9_000}, 0),
    ('back', 'clock', 'text', 'c', 'accepted', 1, ${START}, 0),
    ('again', 'clock', 'text', 'c', 'accepted', 1, ${START + 9_000}, 0)`);
  const listed = async (filter: MessageFilter) => {
    const dialect = { ...sqliteDialect, visits: { least: 1, first: 1, most: 1 } };
    const { messages } = await readPage(
      { engine, dialect, clock: () => 0 },
      { callers: ['clock'], filter },
      { limit: 9 },
    );
    return messages.map(({ id }) => id);
  };
  expect(await listed({ since: at(5) })).toEqual(['again', 'ahead']);
  expect(await listed({ until: at(5) })).toEqual(['back']);
});

test('the messages of several callers are merged in order, and none is read far beyond the page', async () => {
  const ids: string[] = [];
  let before: number | undefined;
  for (let pages = 0; pages < 60; pages++) {
    visited = 0;
    const ask = { limit: 50, ...(before !== undefined && { before }) };
    const callers = ['clock', 'crm', 'nobody', 'shop'];
    const found = await readPage(
      { engine, dialect: sqliteDialect, clock: () => 0 },
      { callers, filter: { status: 'rejected' } },
      ask,
    );
    expect(visited).toBeLessThan(BOUND);
    ids.push(...found.messages.map(({ id }) => id));
    before = found.end;
    if (before === undefined) break;
  }
  expect(ids).toEqual(bruteForce({ status: 'rejected' }));
});

test('while a store is slow, a page ends early and the next one goes on', async () => {
  let now = 0;
  const slow: Pick<Engine, 'list'> = {
    list: (step) => {
      now += 15;
      return engine.list(step);
    },
  };
  const filter: MessageFilter = { to: '491', delivery: 'failed', reference: 'many', template: 'order' };
  const ids: string[] = [];
  let before: number | undefined;
  do {
    const began = now;
    const ask = { limit: 50, ...(before !== undefined && { before }) };
    const database = { engine: slow, dialect: sqliteDialect, clock: () => now };
    const found = await readPage(database, { callers: ['crm'], filter }, ask);
    // Two statements per step, and one for the messages.
    expect(now - began).toBeLessThanOrEqual(45);
    ids.push(...found.messages.map(({ id }) => id));
    before = found.end;
  } while (before !== undefined);
  expect(ids).toEqual(bruteForce(filter));
});

/** Finds the matching messages by reading all rows. */
function bruteForce({ delivery, since, until, ...plain }: MessageFilter): string[] {
  const isTold = ({ status, rank, replied_at: replied }: Row) => {
    if (delivery === undefined) return true;
    if (delivery === 'none') return status === 'accepted' && rank === null;
    return delivery === 'failed' ? rank === 2 : replied !== null;
  };
  const columns = new Map([
    ['to', 'recipient'],
    ['broadcastId', 'broadcast_id'],
  ]);
  const equal = Object.entries(plain).map(([name, value]) => [columns.get(name) ?? name, value] as const);
  const [from, to] = [Date.parse(since ?? at(-1e6)), Date.parse(until ?? at(1e9))];
  const found = everything().filter(
    (row) => Number(row.created_at) >= from && Number(row.created_at) < to && isTold(row),
  );
  return found.filter((row) => equal.every(([column, value]) => row[column] === value)).map(({ id }) => String(id));
}

let rows: Row[] | undefined;
const everything = () => {
  rows ??= db
    .prepare(`SELECT id, recipient, sends.broadcast_id, template, reference, status, created_at, rank, replied_at
      FROM sends LEFT JOIN deliveries ON send_seq = seq WHERE sends.caller = 'crm' AND status <> 'staged' ORDER BY seq DESC`)
    .all();
  return rows;
};
