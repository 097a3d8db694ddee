import { setTimeout as sleep } from 'node:timers/promises';
import { createCsvCheck } from '../src/csv/csv-check.ts';
import { PhoneNumbers } from '../src/recipients/phone-numbers.ts';
import { cpuUs, pinSelf, rssMb } from './cpu.ts';
import { median, ratio } from './load.ts';
import { type Goal, goalsTable } from './table.ts';
import { askMeanwhile, atOnce, csvForm, forgetPeak, MB, pdfForm, peakMb, upload } from './upload-load.ts';
import { createUploadPeers, type UploadPeer } from './upload-peers.ts';

/**
 * `node bench/uploads.ts [--quick]`: what a file costs on its way through the service and through proxies that look at nothing,
 * in short alternating rounds of one run, compared round by round; what it takes of memory; what others notice of it.
 */
const fileBytes = 95 * 1024 * 1024;
const csvPath = '/v1/broadcasts/csv?template=welcome&broadcastName=bench';
const spread = 2;

interface Cost {
  cpuMsPer100Mb: number;
  mbPerSecond: number;
}

export async function benchUploads({ quick }: { quick: boolean }): Promise<Goal[]> {
  const peers = createUploadPeers();
  try {
    const goals = await compare(peers, quick ? 3 : 9, 4);
    goals.push(await csvSpeed(quick ? 200_000 : 1_000_000));
    goals.push(...(await neighbours(peers)));
    goals.push(...(await memory(peers, quick)));
    return goals;
  } finally {
    await peers.close();
  }
}

type Peers = ReturnType<typeof createUploadPeers>;

async function compare(peers: Peers, rounds: number, uploads: number): Promise<Goal[]> {
  const sink = await peers.sink();
  const pipe = await peers.pipe(sink);
  const service = await peers.service(sink);
  const nginx = await peers.nginx(sink);
  const digesting = await peers.digestingPipe(sink);
  const all = [pipe, service, digesting, await peers.httpProxy(sink), ...(nginx ? [nginx] : [])];
  const body = pdfForm(fileBytes);
  const costs = new Map<UploadPeer, Cost[]>(all.map((peer) => [peer, []]));
  for (const peer of all) await upload(peer, body);
  for (let round = 0; round < rounds; round += 1) {
    for (const peer of all) costs.get(peer)?.push(await measure(peer, body, uploads));
  }
  console.log(`\n${fileBytes / MB} MB files, ${spread} at once      CPU ms/100 MB      MB/s   CPU : pipe`);
  const costsOf = (peer: UploadPeer) => costs.get(peer) ?? [];
  const ofPipe = (peer: UploadPeer) => ratio(costsOf(peer), costsOf(pipe), 'cpuMsPer100Mb');
  for (const peer of all) {
    const [cpuMs, mbPerSecond] = (['cpuMsPer100Mb', 'mbPerSecond'] as const).map((figure) =>
      median(costsOf(peer).map((cost) => cost[figure])).toFixed(0),
    );
    console.log(
      `${peer.name.padEnd(34)}${cpuMs?.padStart(8)}${mbPerSecond?.padStart(12)}${ofPipe(peer).toFixed(2).padStart(12)}`,
    );
  }
  if (!nginx) console.log('nginx                              missing');
  for (const peer of [...all, sink]) await peer.stop();
  const ofDigesting = ratio(costsOf(service), costsOf(digesting), 'cpuMsPer100Mb');
  return [{ what: 'CPU of an upload, of the pipe with SHA-256', value: ofDigesting, limit: 1.2, unit: 'x' }];
}

async function measure(peer: UploadPeer, body: Buffer, uploads: number): Promise<Cost> {
  const before = cpuUs(peer.pid);
  const started = performance.now();
  for (let sent = 0; sent < uploads; sent += spread) await atOnce(spread, () => upload(peer, body));
  const seconds = (performance.now() - started) / 1000;
  const bytes = uploads * body.length;
  return { cpuMsPer100Mb: (cpuUs(peer.pid) - before) / 1000 / (bytes / (100 * MB)), mbPerSecond: bytes / MB / seconds };
}

/** The check alone, in chunks as a socket has them. */
async function csvSpeed(rows: number): Promise<Goal> {
  const lines = Array.from({ length: rows }, (_, at) => `9198${10_000_000 + at},Asha,A-${at}\r\n`);
  const file = Buffer.from(`Phone,name,order\r\n${lines.join('')}`);
  const check = createCsvCheck({ numbers: new PhoneNumbers(), rowsMax: rows, cellBytesMax: 4096 });
  const started = performance.now();
  for (let at = 0; at < file.length; at += 65_536) check.write(file.subarray(at, at + 65_536));
  await check.end();
  const value = rows / ((performance.now() - started) / 1000);
  return { what: 'CSV rows of three cells, checked a second', value, limit: 200_000, atLeast: true, unit: '' };
}

/** What callers of other routes notice while eight uploads run. */
async function neighbours(peers: Peers): Promise<Goal[]> {
  const sink = await peers.sink();
  // The sink takes 800 MB meanwhile, and is no measure for an upstream: a read goes to one of its own.
  const control = await peers.sink();
  const service = await peers.service(sink, { MATON_CONTROL_URL: `http://127.0.0.1:${control.port}` });
  const body = pdfForm(fileBytes);
  const goals: Goal[] = [];
  for (const path of ['/health/live', '/v1/messages', '/v1/connections']) {
    const asking = askMeanwhile(service, path);
    await sleep(500);
    await atOnce(8, async () => {
      await upload(service, body);
      await upload(service, body);
    });
    const times = await asking.stop();
    const value = times[Math.floor(times.length * 0.99)] ?? Number.NaN;
    goals.push({ what: `p99 of ${path} beside eight uploads (${times.length} asked)`, value, limit: 50, unit: 'ms' });
  }
  await service.stop();
  await Promise.all([sink.stop(), control.stop()]);
  return goals;
}

/** Peaks over idle, each in a service of its own. */
async function memory(peers: Peers, quick: boolean): Promise<Goal[]> {
  const fast = await peers.sink();
  const slow = await peers.sink(64 * 1024);
  const peakOf = async (
    sink: UploadPeer,
    settings: Record<string, string>,
    run: (service: UploadPeer) => Promise<unknown>,
  ) => {
    const service = await peers.service(sink, settings);
    await upload(service, pdfForm(10_000), service.path).catch(() => {});
    await sleep(quick ? 1_000 : 3_000);
    const idle = rssMb(service.pid);
    forgetPeak(service.pid);
    await run(service);
    const peak = peakMb(service.pid);
    await service.stop();
    return peak - idle;
  };
  const large = pdfForm(fileBytes);
  const small = pdfForm(16 * 1024 * 1024);
  const of32 = await peakOf(fast, {}, (service) => atOnce(32, () => upload(service, large)));
  const of32Small = await peakOf(fast, {}, (service) => atOnce(32, () => upload(service, small)));
  const slowSeconds = quick ? 5 : 15;
  const of8Slow = await peakOf(slow, {}, (service) =>
    Promise.race([sleep(slowSeconds * 1000), atOnce(8, () => upload(service, large).catch(() => {}))]),
  );
  const rows = 1_000_000;
  const lines = Array.from({ length: rows }, (_, at) => `9198${10_000_000 + at}\r\n`);
  const csv = csvForm(`Phone\r\n${lines.join('')}`);
  const ofCsv = await peakOf(fast, { CSV_MAX_ROWS: String(rows) }, (service) => upload(service, csv, csvPath));
  await fast.stop();
  await slow.stop();
  const over = (what: string, value: number, limit = 64): Goal => ({
    what: `memory over idle: ${what}`,
    value,
    limit,
    unit: 'MB',
  });
  return [
    over('32 files of 95 MB at once', of32),
    over(`eight of 95 MB, WATI reads 64 KB/s, ${slowSeconds} s`, of8Slow),
    over('32 files of 95 MB, more than 32 of 16 MB', of32 - of32Small, 16),
    over('a CSV of 1,000,000 rows', ofCsv),
  ];
}

if (import.meta.main) {
  console.log(`Node ${process.version}, ${pinSelf() ? 'peers on core 0, load and upstream on core 1' : 'not pinned'}`);
  console.log(`\n${goalsTable(await benchUploads({ quick: process.argv.includes('--quick') }))}`);
  process.exit();
}
