import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { retentionOf } from '../../src/records.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { openStore } from '../../src/store/open.ts';
import { callEveryRoute, expectClean, quotedKey, quotes, roundRecipient } from '../keys/echo-round.ts';
import { type EchoingUpstream, startEchoing } from '../keys/echoing-upstream.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { type Service, startService } from '../support/service.ts';
import { aDatabase, type Database } from './database.ts';

let simulator: Simulator;
let upstream: EchoingUpstream;
let database: Database;
let service: Service;

beforeAll(async () => {
  simulator = await startSimulator({
    key: quotedKey,
    perSecond: Number.POSITIVE_INFINITY,
    plan: 'none',
    lateMs: 1_500,
  });
  upstream = await startEchoing(simulator);
  database = await aDatabase();
  const settings = {
    MATON_API_KEY: quotedKey,
    MATON_GATEWAY_URL: upstream.gatewayUrl,
    MATON_CONTROL_URL: upstream.controlUrl,
    MATON_CONNECTION_ID: seededConnection,
    NATIVE_PATHS: 'GET /api/v1/chatbots,POST /api/v1/chatbots/start',
  };
  const store = await openStore(database.url, retentionOf(loadConfig({ ...settings, CLIENTS_FILE: 'x' })));
  service = await startService({ settings, store, simulator: { key: quotedKey } });
});
afterAll(async () => {
  await service.close();
  upstream.close();
  await simulator.close();
  await database.drop();
});

it('a Maton key that the upstream quotes is in no column of any table, and in no file of PostgreSQL', async () => {
  for (const quote of quotes) {
    await callEveryRoute(service, upstream, quote);
    // Checked between the rounds too, because content is erased as soon as it is not needed.
    for (const [table, rows] of await tablesOf(database.url)) expectClean(rows, `${quote.name}: ${table}`);
  }
  const tables = await tablesOf(database.url);
  const rows = [...tables.values()].flat();
  expect(rows.filter((row) => row.includes(roundRecipient)).length).toBeGreaterThan(quotes.length);

  const files = await filesOf(database.url);
  const found = files.filter(({ text }) => text.includes(roundRecipient));
  for (const folder of ['base', 'pg_wal']) {
    expect(found.filter(({ name }) => name.startsWith(folder)).length, folder).toBeGreaterThan(0);
  }
  for (const { name, text } of files) expectClean([text], name);
  const size = files.reduce((sum, { text }) => sum + text.length, 0);
  console.log(
    `${tables.size} tables with ${rows.length} rows, ${files.length} files with ${Math.round(size / 1e6)} MB`,
  );
});

/** Returns every row of every table as text: all columns, with bytes in hex. */
async function tablesOf(url: string): Promise<Map<string, string[]>> {
  return asked(url, async (client) => {
    const tables = new Map<string, string[]>();
    const named = await client.query<{ name: string }>(
      "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    );
    for (const { name } of named.rows) {
      const { rows } = await client.query<{ words: string }>(`SELECT t::text AS words FROM ${name} t`);
      tables.set(
        name,
        rows.map(({ words }) => words),
      );
    }
    expect(tables.size).toBeGreaterThan(3);
    return tables;
  });
}

/** Returns the files of tables, with dead rows, of the write-ahead log, and of the server's log. */
async function filesOf(url: string): Promise<{ name: string; text: string }[]> {
  const folder = await asked(url, async (client) => {
    await client.query('CHECKPOINT');
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    return rows[0]?.data_directory ?? '';
  });
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ name: path.slice(folder.length + 1), text: readFileSync(path, 'latin1') }));
}

async function asked<Answer>(url: string, ask: (client: pg.Client) => Promise<Answer>): Promise<Answer> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await ask(client);
  } finally {
    await client.end();
  }
}
