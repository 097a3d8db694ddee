import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import pg from 'pg';
import type { MessageFilter } from '../src/store/message-store.ts';
import { openStore, type Store, sqlitePath } from '../src/store/open.ts';
import { migrate } from '../src/store/postgres/migrate.ts';
import { openDatabase } from '../src/store/sqlite/file.ts';
import { CHUNKS, ROWS, START, STEP_MS, sceneDialects, sceneStatements } from './lists-scene.ts';
import { percentile } from './open-load.ts';
import { type Goal, goalsTable } from './table.ts';

/**
 * `npm run bench -- lists [--store=file:lists.db|postgres://…]`: pages of lists over two million messages, by random combinations
 * of all filters and by each filter alone, through the store itself. Fills the store if it is empty, and keeps it if it was named.
 * Reports the CPU time of this thread, which other programs on the machine do not affect, and the elapsed time beside it.
 */
const { values } = parseArgs({
  options: { store: { type: 'string' }, quick: { type: 'boolean', default: false }, pages: { type: 'string' } },
  allowPositionals: true,
});
const pages = Number(values.pages ?? (values.quick ? 300 : 3_000));

const END = START + (ROWS / CHUNKS) * 0.6 * CHUNKS * STEP_MS;
const time = (at: number) => new Date(at).toISOString();

/** A common value, a rare one, and one that nothing has. */
const choices: { [Name in keyof MessageFilter]-?: readonly NonNullable<MessageFilter[Name]>[] } = {
  id: ['s77', 'r3-77', 'none'],
  idempotencyKey: ['key-1000', 'none'],
  reference: ['newsletter', 'order-77', 'none'],
  to: ['4915100000000', '4915110000007', '1'],
  broadcastId: ['b3', 'b18', 'none'],
  lostCall: ['none'],
  template: ['template_3', 'campaign_2', 'rare', 'none'],
  status: ['accepted', 'rejected', 'unknown', 'queued'],
  delivery: ['delivered', 'failed', 'none', 'replied'],
  since: [time(START - 1), time((START + END) / 2), time(END - 3_600_000), time(END + 1e9)],
  until: [time(START), time((START + END) / 2), time(END + 1e9)],
};

/** Returns the same sequence for a seed, so that two runs make the same requests. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
}

function randomFilter(random: () => number): MessageFilter {
  const named = Object.entries(choices).flatMap(([name, each]) =>
    random() < (name === 'id' || name === 'idempotencyKey' ? 0.95 : 0.6)
      ? []
      : [[name, each[Math.floor(random() * each.length)]]],
  );
  return Object.fromEntries(named);
}

const single = Object.entries(choices).flatMap(([name, each]) =>
  each.map((value): MessageFilter => ({ [name]: value })),
);

async function fillPostgres(url: string): Promise<void> {
  await migrate({ url, tls: 'off' });
  const client = new pg.Client({ connectionString: url, options: '-c synchronous_commit=off' });
  await client.connect();
  if ((await client.query('SELECT 1 FROM sends LIMIT 1')).rowCount === 0) {
    for (const text of sceneStatements(sceneDialects.postgres)) await client.query(text);
    await client.query('VACUUM ANALYZE');
  }
  await client.end();
}

function fillSqlite(path: string): void {
  const db = openDatabase(path);
  if (db.prepare('SELECT 1 FROM sends LIMIT 1').get() === undefined) {
    db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -400000');
    for (const text of sceneStatements(sceneDialects.sqlite)) db.exec(text);
  }
  db.close();
}

async function fill(named: string | undefined): Promise<{ url: string; remove: () => void }> {
  if (named?.startsWith('postgres')) {
    await fillPostgres(named);
    return { url: named, remove: () => undefined };
  }
  const folder = named === undefined ? mkdtempSync(join(tmpdir(), 'bench-lists-')) : undefined;
  const url = named ?? `file:${folder}/store.db`;
  fillSqlite(sqlitePath(url));
  return { url, remove: () => folder && rmSync(folder, { recursive: true }) };
}

interface Measured {
  what: string;
  /** Elapsed time. */
  ms: number;
  /** CPU time of this thread. */
  cpuMs: number;
  rows: number;
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** The longest time on the CPU between two turns of the event loop. */
function watchHolds(): () => number {
  let longest = 0;
  let last = cpuMs();
  let watching = true;
  const turn = () => {
    const now = cpuMs();
    longest = Math.max(longest, now - last);
    last = now;
    if (watching) setImmediate(turn);
  };
  setImmediate(turn);
  return () => {
    watching = false;
    return longest;
  };
}

async function measure(asked: readonly [string, () => ReturnType<Store['list']>][]) {
  const found: Measured[] = [];
  const heldMs = watchHolds();
  for (const [what, list] of asked) {
    const [began, cpuBegan] = [performance.now(), cpuMs()];
    const page = await list().catch((error: unknown) => console.log(`  ${what} failed: ${error}`));
    const rows = page?.messages.length ?? 0;
    found.push({ what, ms: performance.now() - began, cpuMs: cpuMs() - cpuBegan, rows });
  }
  return { found, heldMs: heldMs() };
}

const options = {
  keyRetentionMs: 3_600_000,
  unknownRetentionMs: 3_600_000,
  recordRetentionMs: 3_600_000,
  leaseMs: 60_000,
};
const began = performance.now();
const { url, remove } = await fill(values.store);
console.log(
  `${ROWS} messages in ${url.startsWith('file') ? 'SQLite' : 'PostgreSQL'} after ${Math.round((performance.now() - began) / 1000)} s`,
);
const store = await openStore(url, options);
try {
  const random = randomFrom(7);
  const filters = Array.from({ length: pages }, () => randomFilter(random));
  const of = (filter: MessageFilter): [string, () => ReturnType<Store['list']>] => [
    JSON.stringify(filter),
    () => store.list('crm', filter, { limit: 50 }),
  ];
  const kinds: [string, [string, () => ReturnType<Store['list']>][]][] = [
    ['each filter alone', Array.from({ length: 10 }, () => single.map(of)).flat()],
    ['random combinations', filters.map(of)],
    [
      'all callers, as operators',
      filters
        .slice(0, pages / 4)
        .map((filter) => [
          JSON.stringify(filter),
          () => store.listMessagesOf(['bank', 'crm', 'nobody', 'shop'], filter, { limit: 50 }),
        ]),
    ],
  ];
  // Walks far into lists that are long, or hard to fill.
  const walks: MessageFilter[] = [
    {},
    { since: time((START + END) / 2) },
    { status: 'unknown', reference: 'newsletter' },
    { template: 'rare' },
  ];
  const turns = walks.flatMap((filter) => {
    let cursor: string | undefined;
    return Array.from({ length: 40 }, (): [string, () => ReturnType<Store['list']>] => [
      `${JSON.stringify(filter)}, page after page`,
      async () => {
        const page = await store.list('crm', filter, { limit: 50, ...(cursor !== undefined && { cursor }) });
        cursor = page.next;
        return page;
      },
    ]);
  });
  kinds.push(['page after page', turns]);
  const goals: Goal[] = [];
  for (const [kind, asked] of kinds) {
    const { found, heldMs } = await measure(asked);
    const at = (share: number, of: 'ms' | 'cpuMs') =>
      percentile(
        found.map((each) => each[of]),
        share,
      );
    const told = `p50 ${at(0.5, 'ms').toFixed(1)} ms, p99 ${at(0.99, 'ms').toFixed(1)} ms by the clock`;
    console.log(`\n${kind}: ${found.length} pages, p50 ${at(0.5, 'cpuMs').toFixed(1)} ms; ${told}; slowest:`);
    for (const { what, ms, cpuMs, rows } of found.toSorted((a, b) => b.cpuMs - a.cpuMs).slice(0, 5)) {
      console.log(`  ${cpuMs.toFixed(1).padStart(7)} ms (${ms.toFixed(1)})  ${String(rows).padStart(3)} rows  ${what}`);
    }
    goals.push({ what: `${kind}: p99 of a page`, value: at(0.99, 'cpuMs'), limit: 50, unit: 'ms' });
    goals.push({ what: `${kind}: longest hold of the event loop`, value: heldMs, limit: 20, unit: 'ms' });
  }
  console.log(`\n${goalsTable(goals)}`);
} finally {
  await store.close();
  remove();
}
