import type { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MessageFilter, MessageStatus } from '../../src/store/message-store.ts';
import { type Engine, statement } from '../../src/store/sql/engine.ts';
import { pageOf, readMessages } from '../../src/store/sql/list-page.ts';
import { sqliteDialect } from '../../src/store/sqlite/engine.ts';
import { openDatabase } from '../../src/store/sqlite/file.ts';

const START = Date.parse('2026-03-01T00:00:00Z');
const at = (second: number) => new Date(START + second * 1_000).toISOString();
const SINGLES = 100_000;
const RECIPIENTS = 60_000;
/** What a page may look at: all that it is made of, and nothing that grows with the table. */
const BOUND = 20_000;

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
      VALUES ('big', 'crm', 't', 'n', 'c', 'cancelled', 1, ${START + SINGLES * 1_000}, 0, 0),
        ('open', 'crm', 't', 'n', 'c', 'recording', 1, ${START + SINGLES * 1_000}, 0, NULL),
        ('foreign', 'shop', 't', 'n', 'c', 'done', 1, ${START}, 0, 0);
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${SINGLES - 1})
    INSERT INTO sends (id, caller, kind, recipient, connection_id, status, owner, created_at, updated_at)
      SELECT 's' || i, 'crm', 'text', CASE WHEN i % 3 = 0 THEN '49' || i ELSE '491' END, 'c',
        CASE WHEN i % 100 = 0 THEN 'rejected' ELSE 'accepted' END, 1, ${START} + i * 1000, 0 FROM n;
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${RECIPIENTS - 1})
    INSERT INTO sends (id, caller, kind, recipient, connection_id, status, owner, created_at, updated_at, broadcast_id)
      SELECT 'r' || i, CASE WHEN i % 3 = 2 THEN 'shop' ELSE 'crm' END, 'template', '49' || i, 'c',
        CASE i % 3 WHEN 0 THEN 'cancelled' WHEN 1 THEN 'staged' ELSE 'accepted' END, 1,
        CASE WHEN i % 3 = 2 THEN ${START} ELSE ${START + SINGLES * 1_000} END, 0,
        CASE i % 3 WHEN 0 THEN 'big' WHEN 1 THEN 'open' ELSE 'foreign' END FROM n;
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${40_000 - 1})
    INSERT INTO sends (id, caller, kind, recipient, connection_id, status, owner, created_at, updated_at)
      SELECT 'o' || i, 'shop', 'text', '491', 'c', 'accepted', 1, ${START + SINGLES * 1_000} + i * 1000, 0 FROM n;`);
});
afterAll(() => db.close());

/** Every row that a statement looks at is counted, also those that it leaves out. */
const engine: Pick<Engine, 'list'> = {
  list: async ({ statement: { named }, values }) => {
    const { positional, names } = statement(
      named.replaceAll(/\bsends( INDEXED BY \w+)? WHERE /g, 'sends$1 WHERE visit(sends.seq) = 1 AND '),
    );
    return db.prepare(positional).all(...names.map((name) => values[name] ?? null));
  },
};

async function page(filter: MessageFilter, before?: number) {
  visited = 0;
  const ask = { limit: 50, ...(before !== undefined && { before }) };
  const found = await readMessages({ engine, dialect: sqliteDialect }, { caller: 'crm', filter }, ask);
  return { ...pageOf([found], 50), visited };
}

const END = SINGLES + 50_000;
const times = [undefined, at(-1), at(SINGLES / 2), at(SINGLES - 2), at(SINGLES), at(SINGLES + 1), at(END)];
const states: readonly (MessageStatus | undefined)[] = [
  ...([undefined, 'queued', 'sending', 'accepted', 'rejected', 'not_sent', 'unknown', 'cancelled'] as const),
];
const filters = times.flatMap((since) =>
  states.flatMap((status) =>
    [undefined, '491', '4990', '1'].flatMap((to) =>
      [undefined, 'big', 'open', 'foreign', 'none'].map(
        (broadcastId): MessageFilter => ({
          ...(since !== undefined && { since }),
          ...(status !== undefined && { status }),
          ...(to !== undefined && { to }),
          ...(broadcastId !== undefined && { broadcastId }),
        }),
      ),
    ),
  ),
);

test('a page of 200,000 rows visits a bounded number, whatever the filter', async () => {
  const { positional } = statement(
    "SELECT seq FROM sends WHERE visit(sends.seq) = 1 AND created_at > 9e15 AND caller = 'crm'",
  );
  visited = 0;
  db.prepare(positional).all();
  expect(visited).toBeGreaterThan(SINGLES); // what is counted is what is looked at
  for (const filter of filters) expect((await page(filter)).visited, JSON.stringify(filter)).toBeLessThan(BOUND);
}, 120_000);

test('a time after the newest row is answered at once, with an empty list', async () => {
  for (const since of [at(SINGLES + 1), at(END)]) {
    const { messages, end, visited: seen } = await page({ since });
    expect([messages, end]).toEqual([[], undefined]);
    // No row of this caller is that new; only the broadcasts and the end of the index are asked.
    expect(seen).toBeLessThan(2 * 5_001 + 10);
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
  ];
  for (const filter of asked) {
    const ids: string[] = [];
    let before: number | undefined;
    let pages = 0;
    do {
      const { messages, end, visited: seen } = await page(filter, before);
      ids.push(...messages.map(({ id }) => id));
      expect(seen).toBeLessThan(BOUND);
      before = end;
      expect(++pages).toBeLessThan(1_000);
    } while (before !== undefined);
    expect(ids, JSON.stringify(filter)).toEqual(bruteForce(filter));
  }
}, 120_000);

test('a clock that was set back hides nothing from a list by time', async () => {
  db.exec(`INSERT INTO sends (id, caller, kind, connection_id, status, owner, created_at, updated_at) VALUES
    ('ahead', 'clock', 'text', 'c', 'accepted', 1, ${START + 9_000}, 0),
    ('back', 'clock', 'text', 'c', 'accepted', 1, ${START}, 0),
    ('again', 'clock', 'text', 'c', 'accepted', 1, ${START + 9_000}, 0)`);
  const ask = { caller: 'clock', filter: { since: at(5) } };
  const { messages } = pageOf([await readMessages({ engine, dialect: sqliteDialect }, ask, { limit: 9 })], 9);
  expect(messages.map(({ id }) => id)).toEqual(['again', 'ahead']);
});

/** By walking over all rows. */
function bruteForce({ since, status, to, broadcastId }: MessageFilter): string[] {
  const { positional: marked, names } =
    statement(`SELECT id FROM sends NOT INDEXED WHERE caller = 'crm' AND status <> 'staged'
    AND (:since IS NULL OR created_at >= :since) AND (:status IS NULL OR status = :status)
    AND (:to IS NULL OR recipient = :to) AND (:broadcastId IS NULL OR broadcast_id = :broadcastId) ORDER BY seq DESC`);
  const values: Record<string, string | number | null> = {
    since: since === undefined ? null : Date.parse(since),
    status: status ?? null,
    to: to ?? null,
    broadcastId: broadcastId ?? null,
  };
  const rows = db.prepare(marked).all(...names.map((name) => values[name] ?? null));
  return rows.map(({ id }) => String(id));
}
