import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { afterAll, expect, it } from 'vitest';
import { callerEntry } from '../../src/callers.ts';
import { toJson } from '../../src/delivery/outcome.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { openStore } from '../../src/store/open.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { newMessage, OPTIONS } from '../store/samples.ts';
import { compileCache } from '../support/compile-cache.ts';

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-queue-'));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

const million = 1_000_000;

/** A file that a dead process left with so many queued sends, of a few hundred callers and connections. */
async function leave(name: string, queued: number): Promise<string> {
  const path = join(folder, name);
  const store = await openStore(`file:${path}`, OPTIONS);
  const call = toJson({ kind: 'text', body: { to: '14155551000', text: 'Your order is on its way.' } });
  await store.insert(
    newMessage('first', { caller: 'crm', kind: 'text', connectionId: seededConnection, content: call }),
  );
  await store.close();
  const db = new DatabaseSync(path);
  const columns = db.prepare("SELECT name FROM pragma_table_info('sends') WHERE name NOT IN ('seq', 'id')").all();
  const names = columns.map((column) => String(column.name)).join(', ');
  // One in a thousand is of another lane: each costs a step at the start.
  const copies = names.replace(
    'connection_id',
    "CASE n % 1000 WHEN 0 THEN 'gone-' || (n / 1000 % 500) ELSE connection_id END",
  );
  // Made anew behind the rows, in a fraction of the time.
  const made = db.prepare(
    "SELECT type, name, sql FROM sqlite_schema WHERE tbl_name = 'sends' AND type IN ('index', 'trigger') AND sql IS NOT NULL",
  );
  const parts = made.all();
  db.exec(`
    PRAGMA synchronous = OFF;
    ${parts.map(({ type, name: part }) => `DROP ${type} ${part}`).join(';')};
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${queued})
    INSERT INTO sends (id, ${names}) SELECT 'copy-' || n, ${copies} FROM numbers, sends WHERE sends.id = 'first';
    UPDATE send_tallies SET n = n + ${queued} WHERE status = 'queued';
    ${parts.map(({ sql }) => sql).join(';')}`);
  db.close();
  return `file:${path}`;
}

/** What a process has computed so far, ms: what others do on the machine meanwhile is not in it. */
function cpuMsOf(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** How long from the start of the process until it answers, ms. */
async function startOn(storeUrl: string) {
  const simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
  const clients = join(folder, 'clients.json');
  writeFileSync(clients, JSON.stringify([callerEntry('crm', 'key-of-the-crm-in-this-test', { scopes: ['*'] })]));
  const port = await freePort();
  const begun = performance.now();
  const child = spawn(process.execPath, ['src/bin/server.ts'], {
    env: {
      PATH: process.env.PATH,
      ...compileCache,
      MATON_API_KEY: simulator.key,
      MATON_GATEWAY_URL: simulator.gatewayUrl,
      MATON_CONTROL_URL: simulator.controlUrl,
      CLIENTS_FILE: clients,
      STORE_URL: storeUrl,
      PORT: String(port),
      LOG_LEVEL: 'error',
      DRAIN_DELAY_MS: '1',
    },
    stdio: 'inherit',
  });
  children.push(child);
  const ask = async (path: string) => {
    const answer = await request(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
    await answer?.body.dump();
    return answer?.statusCode;
  };
  while ((await ask('/health/live')) !== 200 && child.exitCode === null) await sleep(5);
  const listens = { ms: performance.now() - begun, cpuMs: cpuMsOf(child.pid) };
  await expect.poll(() => ask('/health/ready'), { timeout: 30_000 }).toBe(200);
  return { listens, readyMs: performance.now() - begun, child, simulator };
}

const freePort = () =>
  new Promise<number>((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

it('a start with a million queued listens within two seconds of an empty one, and sends from the queue', {
  retry: 1,
  timeout: 150_000,
}, async () => {
  const empty = await startOn(await leave(`none-${children.length}.db`, 1));
  empty.child.kill('SIGKILL');
  await empty.simulator.close();
  const full = await startOn(await leave(`million-${children.length}.db`, million));
  const shown = ({ listens }: typeof empty) => `${Math.round(listens.ms)} ms (${listens.cpuMs} ms of CPU)`;
  process.stdout.write(
    `start to listening: empty ${shown(empty)}, ${million} queued ${shown(full)}, ready after ${Math.round(full.readyMs)} ms\n`,
  );
  expect(full.listens.cpuMs - empty.listens.cpuMs).toBeLessThan(2_000);
  await expect
    .poll(() => full.simulator.ledger.of('sendSessionMessage').length, { timeout: 30_000 })
    .toBeGreaterThan(20);
  full.child.kill('SIGKILL');
  await full.simulator.close();
});
