import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { cpuUs, rssMb } from './cpu.ts';
import { median } from './load.ts';
import { createCaller } from './open-load.ts';
import { answers } from './peers.ts';
import { callerKey, child, createProcesses } from './processes.ts';
import { type Goal, goalsTable } from './table.ts';
import { boundary, csvForm, forgetPeak, peakMb } from './upload-load.ts';

/**
 * `npm run bench -- imports [--quick]`: a broadcast's recipients from a CSV of 1,000,000 rows, in no order, until they are recorded:
 * rows a second, CPU, memory, the longest turn of the event loop (CPU time), and the counts that its caller sees meanwhile. In a SQLite file, and
 * in PostgreSQL where BENCH_POSTGRES_URL names an empty database. The processes are not pinned, because the store has a thread of its own.
 */
const quick = process.argv.includes('--quick');
const rows = quick ? 100_000 : 1_000_000;
const rounds = quick ? 3 : 1;
const holdMonitor = join(import.meta.dirname, 'children/longest-hold.ts');

interface Imported {
  perSecond: number;
  cpuUsPerRow: number;
  overIdleMb: number;
  holdMs: number;
  /** Different counts that were seen while it was recording. */
  counts: number;
}

/** Each number once, and neighbours far apart. */
const numberOf = (n: number) => `9198${String((n * 48_271) % 99_999_989).padStart(8, '0')}`;

function form(from: number, length = rows): Buffer {
  const lines = Array.from({ length }, (_, n) => `${numberOf(from + n)},Asha,A-${n},shipped\r\n`);
  return csvForm(`Phone,customer_name,order_id,order_status\r\n${lines.join('')}`);
}

async function bench(name: string, storeUrl: (directory: string) => string): Promise<Imported[]> {
  const processes = createProcesses();
  const holdFile = join(processes.directory, 'longest-hold');
  try {
    const upstream = await processes.start({
      name: 'upstream',
      command: (port) => child('upstream', port),
      isReady: answers,
    });
    const service = await processes.start({
      name,
      command: (port) =>
        processes.service(`http://127.0.0.1:${upstream.port}`, port, {
          STORE_URL: storeUrl(processes.directory),
          WATI_PLAN: 'none',
          LONGEST_HOLD_FILE: holdFile,
          NODE_OPTIONS: `--import=${pathToFileURL(holdMonitor)} ${process.env.BENCH_NODE_OPTIONS ?? ''}`,
        }),
      isReady: answers,
    });
    const longestHold = async () => {
      rmSync(holdFile, { force: true });
      process.kill(service.pid, 'SIGWINCH');
      while (!existsSync(holdFile) || readFileSync(holdFile, 'utf8') === '') await sleep(10);
      return Number(readFileSync(holdFile, 'utf8'));
    };
    const url = `http://127.0.0.1:${service.port}`;
    // The first one compiles the code.
    await importOnce({ url, key: 'first', body: form(90_000_000, 10_000) });
    const results: Imported[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const body = form(round * rows);
      await sleep(2_000);
      const idle = rssMb(service.pid);
      forgetPeak(service.pid);
      await longestHold();
      const before = cpuUs(service.pid);
      const { ms, counts } = await importOnce({ url, key: `import-${round}`, body });
      results.push({
        perSecond: rows / (ms / 1_000),
        cpuUsPerRow: (cpuUs(service.pid) - before) / rows,
        overIdleMb: peakMb(service.pid) - idle,
        holdMs: await longestHold(),
        counts,
      });
    }
    return results;
  } finally {
    await processes.close();
  }
}

/** Its `sendAt` is far away, so that none of it is sent. Reads its count every tenth of a second. */
async function importOnce({ url, key, body }: { url: string; key: string; body: Buffer }) {
  const caller = createCaller(url, callerKey);
  const sendAt = new Date(Date.now() + 7 * 24 * 60 * 60_000).toISOString();
  const seen = new Set<number>();
  let over = false;
  const watching = (async () => {
    while (!over) {
      const { body } = await caller.ask('GET', `/v1/broadcasts?idempotencyKey=${key}`);
      const [broadcast] = JSON.parse(body).data ?? [];
      if (broadcast?.status === 'recording') seen.add(broadcast.counts.total);
      await sleep(100);
    }
  })();
  const path = `/v1/broadcasts/import?template=order_update&broadcastName=bench&sendAt=${sendAt}`;
  const headers = {
    'content-type': `multipart/form-data; boundary=${boundary}`,
    'idempotency-key': key,
    prefer: 'respond-async',
  };
  const answer = await caller.ask('POST', path, { headers, body });
  over = true;
  await watching;
  caller.close();
  if (answer.status !== 202) throw new Error(`answered ${answer.status}: ${answer.body.slice(0, 500)}`);
  return { ms: answer.ms, counts: seen.size };
}

function goalsOf(name: string, results: Imported[], perSecond: number): Goal[] {
  const of = (figure: keyof Imported) => median(results.map((result) => result[figure]));
  console.log(
    `${name}: ${rows} rows in ${(rows / of('perSecond')).toFixed(1)} s, ${of('cpuUsPerRow').toFixed(1)} µs of CPU a row`,
  );
  return [
    { what: `${name}: rows a second`, value: of('perSecond'), limit: perSecond, atLeast: true, unit: '' },
    { what: '  memory over idle', value: of('overIdleMb'), limit: 64, unit: 'MB' },
    { what: '  the event loop held, CPU time', value: of('holdMs'), limit: 20, unit: 'ms' },
    { what: '  counts seen while it records', value: of('counts'), limit: 5, atLeast: true, unit: '' },
  ];
}

const goals = goalsOf('SQLite', await bench('sqlite', (directory) => `file:${join(directory, 'imports.db')}`), 40_000);
const postgres = process.env.BENCH_POSTGRES_URL;
if (postgres === undefined) console.log('PostgreSQL: not measured, BENCH_POSTGRES_URL is not set');
else goals.push(...goalsOf('PostgreSQL', await bench('postgres', () => postgres), 20_000));
console.log(`\n${goalsTable(goals)}`);
process.exit();
