import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { cpuUs, openFiles, pinSelf, rssMb } from './cpu.ts';
import { atRate, createCaller, percentile } from './open-load.ts';
import { createPeers } from './peers.ts';
import { callerKey } from './processes.ts';
import { type Goal, goalsTable } from './table.ts';

/**
 * `npm run soak [-- --seconds 300 --per-second 500]`: reads, sends, records and files by turns, at an even rate, recorded on
 * disk. Growth is the slope of a straight line through the second half; runs under two minutes do not show it.
 */
const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '300' }, 'per-second': { type: 'string', default: '500' } },
});
const seconds = Number(values.seconds);
const perSecond = Number(values['per-second']);
const settleSeconds = 5;

interface Sample {
  second: number;
  rssMb: number;
  files: number;
}

const json = { 'content-type': 'application/json' };
const boundary = 'soak-boundary';
const form = { 'content-type': `multipart/form-data; boundary=${boundary}` };
const file = Buffer.concat([
  Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\nContent-Type: application/pdf\r\n\r\n%PDF-1.4\n`,
  ),
  Buffer.alloc(32 * 1024, 'a'),
  Buffer.from(`\r\n--${boundary}--\r\n`),
]);
const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const numberOf = (n: number) => `15${String(n).padStart(8, '0')}5`;

const peers = createPeers();
pinSelf();
try {
  const upstream = await peers.upstream();
  const service = await peers.service(upstream, 'file:');
  const caller = createCaller(service.url, callerKey);
  const waits: number[] = [];
  const wrong = new Map<string, number>();
  let last = '';

  /** Of twenty: eight reads of WATI, five texts, three templates, three reads of records, a file. */
  const ask = (n: number) => {
    const turn = n % 20;
    const to = numberOf(n);
    if (turn === 0) {
      return caller.ask('POST', `/v1/messages/file?to=${to}`, { headers: form, body: file });
    }
    if (turn <= 3) {
      const body = JSON.stringify({ to, template: 'order_update', parameters });
      return caller.ask('POST', '/v1/messages/template', { headers: json, body });
    }
    if (turn <= 8) {
      const headers = { ...json, 'idempotency-key': `soak-${n}` };
      return caller.ask('POST', '/v1/messages/text', {
        headers,
        body: JSON.stringify({ to, text: 'Your parcel is on its way.' }),
      });
    }
    if (turn === 9) return caller.ask('GET', '/v1/messages?limit=20');
    if (turn <= 11 && last !== '') return caller.ask('GET', last);
    return caller.ask('GET', `/v1/contacts?pageSize=${turn % 2 === 0 ? 10 : 50}`);
  };
  const one = async (n: number) => {
    const { status, ms, head } = await ask(n);
    waits.push(ms);
    last = /\r\nlocation: (\/v1\/messages\/\S+)/i.exec(head)?.[1] ?? last;
    if (status < 200 || status > 299) wrong.set(String(status), (wrong.get(String(status)) ?? 0) + 1);
  };

  const before = loadavg()[0] ?? 0;
  await atRate(perSecond, settleSeconds, one);
  waits.length = 0;
  const samples: Sample[] = [];
  const begun = performance.now();
  const sampling = setInterval(() => {
    samples.push({
      second: (performance.now() - begun) / 1000,
      rssMb: rssMb(service.pid),
      files: openFiles(service.pid),
    });
  }, 1_000);
  const [cpuBefore, asked] = [cpuUs(service.pid), performance.now()];
  await atRate(perSecond, seconds, (n) => one(n + perSecond * settleSeconds));
  const tookMs = performance.now() - asked;
  clearInterval(sampling);
  const busy = (cpuUs(service.pid) - cpuBefore) / (tookMs * 1000);

  const half = samples.slice(Math.floor(samples.length / 2));
  const slope = slopeOf(half.map(({ second, rssMb }) => [second / 60, rssMb]));
  const files = half.map(({ files }) => files);
  const mb = samples.map(({ rssMb }) => rssMb);
  const failed = [...wrong.values()].reduce((sum, count) => sum + count, 0);
  const rate = (waits.length / tookMs) * 1000;
  console.log(
    `${waits.length} requests in ${(tookMs / 1000).toFixed(0)} s, ${rate.toFixed(0)} a second: p50 ${percentile(waits, 0.5).toFixed(1)} ms, p99 ${percentile(waits, 0.99).toFixed(0)} ms; ` +
      `service ${(busy * 100).toFixed(0)} % of a core; load average ${before.toFixed(1)} before, ${(loadavg()[0] ?? 0).toFixed(1)} after`,
  );
  console.log(
    `memory ${mb[0]?.toFixed(0)} MB at first, ${Math.max(...mb).toFixed(0)} at most, ${mb.at(-1)?.toFixed(0)} at last; ` +
      `slope of the second half ${slope.toFixed(2)} MB a minute; open files ${Math.min(...files)} to ${Math.max(...files)}; ` +
      `answers that were not 2xx: ${failed} ${JSON.stringify(Object.fromEntries(wrong))}`,
  );
  const goals: Goal[] = [
    { what: 'answers that were not 2xx', value: failed, limit: 0, unit: '' },
    { what: 'requests a second', value: rate, limit: perSecond * 0.98, atLeast: true, unit: '/s' },
    // Connections come and go with the load; what leaks grows without end.
    {
      what: 'growth of open files',
      value: slopeOf(half.map(({ second, files }) => [second / 60, files])),
      limit: 1,
      unit: '/min',
    },
    { what: 'growth of memory', value: slope, limit: 1, unit: 'MB/min' },
  ];
  const judged = seconds >= 120 ? goals : goals.slice(0, 2);
  console.log(`\n${goalsTable(judged)}`);
  if (judged.some(({ value, limit, atLeast }) => !(atLeast ? value >= limit : value <= limit))) process.exitCode = 1;
  caller.close();
} finally {
  await peers.close();
}

/** By least squares; the second by the first. */
function slopeOf(points: readonly (readonly [number, number])[]): number {
  const mean = (at: 0 | 1) => points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const over = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  return over / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}
