import { hash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuUs, pinSelf, rssMb } from './cpu.ts';
import { median } from './load.ts';
import { atRate, type Caller, createCaller, percentile } from './open-load.ts';
import { createPeers, type Peer } from './peers.ts';
import { callerKey } from './processes.ts';
import { type Goal, goalsTable } from './table.ts';

/**
 * `npm run bench -- webhooks [--quick]`: what one replica takes in and applies, each answered when it is on disk; what its sends
 * meet meanwhile; and what the listener costs while nothing comes. On a file, and on PostgreSQL where BENCH_POSTGRES_URL names
 * an empty database.
 */
const quick = process.argv.includes('--quick');
const seconds = quick ? 4 : 10;
const messages = 2_000;
const connections = 64;
const connectionId = '21fd90f9-5935-43cd-b6c8-bde9d915ca80';
const token = 'bench-token-000000000000000000000000000000';
const facts = ['sessionMessageSent', 'sentMessageDELIVERED', 'sentMessageREAD', 'sentMessageREPLIED'];

const peers = createPeers();
const goals: Goal[] = [];
try {
  console.log(`Node ${process.version}, ${pinSelf() ? 'service on core 0, load on core 1' : 'not pinned'}`);
  const upstream = await peers.upstream();
  await idle(upstream);
  await measure(upstream, { name: 'SQLite', store: 'file:', least: 1_500 });
  const postgres = process.env.BENCH_POSTGRES_URL;
  if (postgres === undefined) console.log('PostgreSQL: not measured, BENCH_POSTGRES_URL is not set');
  else await measure(upstream, { name: 'PostgreSQL', store: postgres, least: 1_000 });
  console.log(`\n${goalsTable(goals)}`);
} finally {
  await peers.close();
}

async function intakeSettings(): Promise<{ url: string; settings: Record<string, string> }> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const address = probe.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await new Promise((resolve) => probe.close(resolve));
  const file = join(peers.directory, 'intake-tokens.json');
  writeFileSync(file, JSON.stringify([{ name: 'bench', tokenSha256: [hash('sha256', token)], connectionId }]));
  return { url: `http://127.0.0.1:${port}`, settings: { INTAKE_PORT: String(port), INTAKE_TOKENS_FILE: file } };
}

/** In turns, because the memory of two starts differs by as much. */
async function idle(upstream: Peer): Promise<void> {
  const sizes: Record<'with' | 'without', number[]> = { with: [], without: [] };
  for (let round = 0; round < 3; round += 1) {
    for (const which of ['without', 'with'] as const) {
      const { settings } = which === 'with' ? await intakeSettings() : { settings: {} };
      const service = await peers.service(upstream, 'file:', settings);
      await sleep(1_500);
      sizes[which].push(rssMb(service.pid));
      await service.stop();
    }
  }
  const more = median(sizes.with) - median(sizes.without);
  goals.push({ what: 'memory of an idle listener', value: more, limit: 15, unit: 'MB' });
}

interface Measured {
  name: string;
  store: string;
  /** Events a second. */
  least: number;
}

async function measure(upstream: Peer, { name, store, least }: Measured): Promise<void> {
  const { url, settings } = await intakeSettings();
  const service = await peers.service(upstream, 'file:', {
    ...settings,
    ...(store !== 'file:' && { STORE_URL: store }),
  });
  const caller = createCaller(service.url, callerKey);
  const wati = createCaller(url, '');
  const ids = await sentMessages(caller);
  await wati.prepare(connections);
  const tell = teller(wati, ids);
  await flood(tell, 1);
  await applied(caller);
  const before = await appliedSoFar(caller);
  const [startedAt, busyBefore] = [performance.now(), cpuUs(service.pid)];
  const { perSecond, p99 } = await flood(tell, seconds);
  await applied(caller);
  const took = (performance.now() - startedAt) / 1_000;
  const events = (await appliedSoFar(caller)) - before;
  const busyUs = cpuUs(service.pid) - busyBefore;
  // Extrapolated to a core of its own, since other work shares this one.
  const ownCore = `CPU ${(busyUs / events).toFixed(0)} µs an event, ${(busyUs / took / 10_000).toFixed(0)} % of a core`;
  console.log(`${name}: ${events} events taken in and applied, ${ownCore}`);
  const appliedPerSecond = events / took;
  goals.push({
    what: `${name}: taken in, ${connections} connections`,
    value: perSecond,
    limit: least,
    atLeast: true,
    unit: '/s',
  });
  goals.push({
    what: `${name}: taken in and applied`,
    value: appliedPerSecond,
    limit: least,
    atLeast: true,
    unit: '/s',
  });
  goals.push({ what: `${name}: p99 of an answer`, value: p99, limit: 100, unit: 'ms' });
  const alone = await sendsFor(caller, seconds);
  const [beside] = await Promise.all([
    sendsFor(caller, seconds),
    atRate(500, seconds, async () => void (await tell())),
  ]);
  console.log(`${name}: sends p99 ${alone.toFixed(1)} ms alone, ${beside.toFixed(1)} ms beside 500 webhooks/s`);
  goals.push({ what: `${name}: sends beside 500/s, p99 later by`, value: beside - alone, limit: 20, unit: 'ms' });
  caller.close();
  wati.close();
  await service.stop();
}

async function sentMessages(caller: Caller): Promise<string[]> {
  const ids: string[] = [];
  for (let from = 0; from < messages; from += 50) {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => sendText(caller, from + n)));
    for (const { body } of answers) ids.push(JSON.parse(body).id);
  }
  return ids;
}

function sendText(caller: Caller, n: number) {
  return caller.ask('POST', '/v1/messages/text', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ to: `15${String(n).padStart(8, '0')}5`, text: 'Your parcel is on its way.' }),
  });
}

/** One webhook after the other, each of another message than the last: all facts of all of them, and then events that are new again by their name alone. */
function teller(wati: Caller, ids: readonly string[]) {
  let next = 0;
  return async (): Promise<number> => {
    const n = next++;
    const fact = facts[Math.floor(n / ids.length) % facts.length] ?? 'sentMessageREAD';
    const localMessageId = ids[n % ids.length];
    const round = Math.floor(n / ids.length / facts.length);
    const body = JSON.stringify({
      eventType: `${fact}_v2`,
      statusString: `${fact} ${round}`,
      id: `65f0c0de${String(n % ids.length).padStart(16, '0')}`,
      whatsappMessageId: `wamid.HBgLMTQxNTU1NTEwMDAVAgARGBI${n % ids.length}`,
      localMessageId,
      text: 'x'.repeat(400),
      type: 'text',
      timestamp: '1764496800',
    });
    const { status, ms } = await wati.ask('POST', `/wati/${token}`, {
      headers: { 'content-type': 'application/json' },
      body,
    });
    if (status !== 200) throw new Error(`a webhook was answered ${status}`);
    return ms;
  };
}

async function flood(tell: () => Promise<number>, forSeconds: number): Promise<{ perSecond: number; p99: number }> {
  const waits: number[] = [];
  const startedAt = performance.now();
  const end = startedAt + forSeconds * 1_000;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < end) waits.push(await tell());
    }),
  );
  return { perSecond: (waits.length / (performance.now() - startedAt)) * 1_000, p99: percentile(waits, 0.99) };
}

async function metric(caller: Caller, pattern: RegExp): Promise<number> {
  const { body } = await caller.ask('GET', '/metrics');
  return [...body.matchAll(pattern)].reduce((sum, [, value]) => sum + Number(value), 0);
}

function appliedSoFar(caller: Caller): Promise<number> {
  return metric(caller, /^wati_bff_intake_applied_total\{[^}]*\} (\d+)$/gm);
}
function taken(caller: Caller): Promise<number> {
  return metric(caller, /^wati_bff_intake_events_total\{[^}]*result="new"[^}]*\} (\d+)$/gm);
}

async function applied(caller: Caller): Promise<void> {
  while ((await appliedSoFar(caller)) < (await taken(caller))) await sleep(20);
}

/** p99 of a hundred a second: of fewer it would be the slowest one. */
async function sendsFor(caller: Caller, forSeconds: number): Promise<number> {
  const waits: number[] = [];
  await atRate(100, forSeconds, async (n) => {
    const { ms } = await sendText(caller, n);
    waits.push(ms);
  });
  return percentile(waits, 0.99);
}
