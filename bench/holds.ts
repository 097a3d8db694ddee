import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { NewMessage } from '../src/store/message-store.ts';
import { openStore, type Store } from '../src/store/open.ts';
import { median } from './load.ts';
import { type Goal, goalsTable } from './table.ts';

/**
 * `npm run bench -- holds [--quick]`: the longest time for which the event loop of a process stands still while its SQLite file is
 * listed, purged and imported into, over 2,000,000 records; the median of five. The idle figure shows the delays of the machine itself.
 * BENCH_POSTGRES_URL names an empty database to use instead of the file.
 */
const quick = process.argv.includes('--quick');
const records = quick ? 100_000 : 2_000_000;
const rounds = 5;
const dayMs = 24 * 60 * 60_000;
const retentionMs = 90 * dayMs;

const postgres = process.env.BENCH_POSTGRES_URL;
const folder = mkdtempSync(join(tmpdir(), 'wati-bff-holds-'));
const file = join(folder, 'store.db');
let steady = 1_000;
const open = () =>
  openStore(postgres ?? `file:${file}`, {
    keyRetentionMs: dayMs,
    unknownRetentionMs: dayMs,
    recordRetentionMs: retentionMs,
    leaseMs: 15_000,
    monotonicClock: () => steady,
  });

try {
  await (await open()).close();
  await (postgres === undefined ? fill() : fillPostgres(postgres));
  const store = await open();
  steady += retentionMs;
  const since = new Date(records / 2).toISOString();
  const page = { limit: 100 };
  const works: Record<string, (round: number) => Promise<unknown>> = {
    idle: () => sleep(200),
    'a list since a time': () => store.list('crm', { since }, page),
    'a list of a status that few have': () => store.list('crm', { status: 'rejected' }, page),
    'a list of all callers': () => store.listMessagesOf(['crm', 'shop'], { status: 'unknown' }, page),
    'a purge of 500 of each': () => store.purge(500),
    'an import of 50,000': (round) => imported(store, `b${round}`, 50_000 / (quick ? 10 : 1)),
  };
  const goals: Goal[] = [];
  for (const [what, work] of Object.entries(works)) {
    const held: number[] = [];
    const took: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const startedAt = performance.now();
      held.push(await longestHold(() => work(round)));
      took.push(performance.now() - startedAt);
    }
    console.log(`${what}: took ${median(took).toFixed(0)} ms`);
    goals.push({ what: `${what}: the event loop held`, value: median(held), limit: 20, unit: 'ms' });
  }
  await store.close();
  console.log(`\n${records} records\n${goalsTable(goals)}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function fill(): void {
  const db = new DatabaseSync(file);
  const numbers = `(WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${records})
    SELECT n FROM numbers) AS numbers`;
  db.exec(`PRAGMA synchronous = OFF; ${insertFrom(numbers)}`);
  db.close();
}

async function fillPostgres(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(insertFrom(`generate_series(1, ${records}) AS n`));
  await client.query('VACUUM ANALYZE');
  await client.end();
}

function insertFrom(numbers: string): string {
  return `
    INSERT INTO sends (id, caller, kind, recipient, connection_id, status, owner, attempts, sent_at, created_at, updated_at, ended_at)
    SELECT 's' || n, CASE n % 2 WHEN 0 THEN 'crm' ELSE 'shop' END, 'text', '1' || (n % 50000), 'c',
      CASE WHEN n % 10000 = 0 THEN 'rejected' ELSE 'accepted' END, 1, 1, n, n, n, 1 FROM ${numbers}`;
}

async function longestHold(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  await sleep(20);
  delay.enable();
  await sleep(5);
  await work();
  await sleep(5);
  delay.disable();
  return delay.max / 1e6;
}

async function imported(store: Store, id: string, rows: number): Promise<void> {
  const route = 'bench';
  await store.openBroadcast({
    ...{ id, caller: 'crm', template: 'order_update', name: id, connectionId: 'c', idempotency: { route, key: id } },
  });
  for (let from = 0; from < rows; from += 500) {
    const recipients = Array.from({ length: 500 }, (_, n): NewMessage => {
      const own = { id: `${id}-${from + n}`, to: `2${from + n}`, content: { parameters: { n: `${n}` } } };
      return { ...own, caller: 'crm', kind: 'template', template: 'order_update', connectionId: 'c' };
    });
    await store.addRecipients(id, recipients);
  }
}
