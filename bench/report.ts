import { existsSync, readFileSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { cpuUs, pinSelf, rssMb } from './cpu.ts';
import { createPeers, type Peer } from './peers.ts';
import { callerKey } from './processes.ts';
import { recordBroadcasts } from './report-scene.ts';
import { type Goal, goalsTable } from './table.ts';

/**
 * `npm run bench -- report [--store=postgres://… of an empty database] [--quick]`: downloads `recipients.csv` of a broadcast with a
 * million recipients, by a fast reader, by a slow one, and by both at once. Reports the memory of the service over idle, and the
 * longest time for which its event loop stood still.
 */
const { values } = parseArgs({
  options: { store: { type: 'string' }, quick: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const recipients = values.quick ? 100_000 : 1_000_000;
const slowBytesPerSecond = 1_000_000;
const slowSeconds = values.quick ? 5 : 30;

interface Download {
  rows: number;
  bytes: number;
}

/** Reads to the end, or for some seconds at a fixed pace. */
async function download(url: string, id: string, slowS?: number): Promise<Download> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { agent: false, headers: { authorization: `Bearer ${callerKey}` } };
    get(`${url}/v1/broadcasts/${id}/recipients.csv`, options, resolve).on('error', reject);
  });
  if (answer.statusCode !== 200) throw new Error(`the report is a ${answer.statusCode}`);
  const startedAt = performance.now();
  const read: Download = { rows: -1, bytes: 0 };
  for await (const chunk of answer) {
    if (!Buffer.isBuffer(chunk)) continue;
    read.bytes += chunk.length;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) read.rows += 1;
    if (slowS === undefined) continue;
    const ms = performance.now() - startedAt;
    if (ms > slowS * 1_000) break;
    await sleep(Math.max(0, (read.bytes / slowBytesPerSecond) * 1_000 - ms));
  }
  return read;
}

interface Held {
  clock: number;
  cpu: number;
}

/** The longest holds since they were last asked for, ms. */
async function heldMs({ pid }: Peer, file: string): Promise<Held> {
  rmSync(file, { force: true });
  process.kill(pid, 'SIGWINCH');
  while (!existsSync(file) || readFileSync(file, 'utf8') === '') await sleep(5);
  return JSON.parse(readFileSync(file, 'utf8'));
}

const peers = createPeers();
pinSelf();
try {
  const upstream = await peers.upstream();
  const store = values.store ?? `file:${join(peers.directory, 'report.db')}`;
  const began = performance.now();
  await recordBroadcasts(store, [
    { id: 'small', caller: 'bench', recipients: 20_000 },
    { id: 'million', caller: 'bench', recipients },
  ]);
  const database = store.startsWith('file') ? 'SQLite' : 'PostgreSQL';
  console.log(`${recipients} recipients in ${database} after ${Math.round((performance.now() - began) / 1000)} s`);
  const held = join(peers.directory, 'held');
  const service = await peers.watched(upstream, store, held);
  // Compiled code and the cache of the database are there from then on.
  await download(service.url, 'small');
  await sleep(2_000);
  const idleMb = rssMb(service.pid);
  const fast = () => download(service.url, 'million');
  const slow = () => download(service.url, 'million', slowSeconds);
  const works: Record<string, () => Promise<Download>> = {
    'a fast reader': fast,
    'a slow reader': slow,
    'both at once': () => Promise.all([fast(), slow()]).then(([whole]) => whole),
  };
  const goals: Goal[] = [];
  for (const [who, work] of Object.entries(works)) {
    await heldMs(service, held);
    let mostMb = 0;
    const sampling = setInterval(() => {
      mostMb = Math.max(mostMb, rssMb(service.pid));
    }, 50);
    const [cpuBefore, startedAt] = [cpuUs(service.pid), performance.now()];
    const { rows, bytes } = await work();
    clearInterval(sampling);
    const seconds = (performance.now() - startedAt) / 1_000;
    const cpuS = (cpuUs(service.pid) - cpuBefore) / 1e6;
    const hold = await heldMs(service, held);
    console.log(
      `${who}: ${rows} rows, ${(bytes / 1e6).toFixed(0)} MB in ${seconds.toFixed(1)} s, ${cpuS.toFixed(1)} s of CPU; memory ${idleMb.toFixed(0)} MB idle, ${mostMb.toFixed(0)} at most; held ${hold.clock.toFixed(0)} ms by the clock`,
    );
    if (who !== 'a slow reader' && rows !== recipients) throw new Error('the report is incomplete');
    goals.push({ what: `${who}: memory over idle`, value: mostMb - idleMb, limit: 30, unit: 'MB' });
    goals.push({ what: `${who}: the event loop held, on the CPU`, value: hold.cpu, limit: 20, unit: 'ms' });
  }
  console.log(`\n${recipients} recipients in ${database}\n${goalsTable(goals)}`);
} finally {
  await peers.close();
}
