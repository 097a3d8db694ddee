import autocannon, { type Result } from 'autocannon';
import { Agent, request } from 'undici';
import { cpuUs, pinSelf } from './cpu.ts';
import { median, ratio } from './load.ts';
import { createPeers, type Peer } from './peers.ts';
import { callerKey } from './processes.ts';
import { type Goal, goalsTable } from './table.ts';

/**
 * `npm run bench -- sends`: one text at a time, made directly with undici, through the service, and through the service with
 * durable records, in alternating rounds; then as many sends as 64 callers get, beside the floor of a recorded send
 * (bench/children/durable-send.ts) in alternating rounds too. The upstream answers at once.
 */
const quick = process.argv.includes('--quick');
const rounds = quick ? 3 : 10;
const callsPerRound = quick ? 50 : 200;
const floodRounds = quick ? 3 : 5;
const floodSeconds = quick ? 2 : 4;
const callers = 64;

const text = 'Your parcel is on its way.';
const to = '14155551000';
const body = JSON.stringify({ to, text });
const headers = { authorization: `Bearer ${callerKey}`, 'content-type': 'application/json' };

/** As the service calls: a connection of its own for each send. */
const direct = new Agent({ allowH2: false, pipelining: 0, connections: 32 });
const kept = new Agent({ pipelining: 1, connections: 1 });

const peers = createPeers();
try {
  console.log(
    `Node ${process.version}, ${pinSelf() ? 'service on core 0, load and upstream on core 1' : 'not pinned'}`,
  );
  const upstream = await peers.upstream();
  const inMemory = await peers.service(upstream, 'memory:');
  const onDisk = await peers.service(upstream, 'file:');
  const floor = await peers.durableSend(upstream);
  const query = `messageText=${encodeURIComponent(text)}&localMessageId=5f0c6a3e-0001-4000-8000-000000000001`;
  const ways = {
    'direct call': () => called(`${upstream.url}/wati/api/v1/sendSessionMessage/${to}?${query}`, direct, 200),
    'service, memory:': () => called(`${inMemory.url}/v1/messages/text`, kept, 201),
    'service, file:': () => called(`${onDisk.url}/v1/messages/text`, kept, 201),
  };
  const waits = await takeTurns(ways);
  const [base = Number.NaN, , recorded = Number.NaN] = [...waits.values()].map(median);
  for (const [name, ms] of waits) console.log(`${name.padEnd(18)} median ${median(ms).toFixed(2)} ms`);

  const goals: Goal[] = [{ what: 'added by a recorded send, median', value: recorded - base, limit: 5, unit: 'ms' }];
  const floods = await flood([floor, inMemory, onDisk], upstream);
  for (const [{ name }, turns] of floods) {
    const of = (figure: keyof Flood) => median(turns.map((turn) => turn[figure]));
    const figures = `${of('perSecond').toFixed(0)}/s, p50 ${of('p50')} ms, p99 ${of('p99')} ms, CPU ${of('cpu').toFixed(0)} µs a send`;
    // A service far under 100 % waited for the disk, for the upstream, or for neighbours on its core.
    const shares = `service ${percent(of('busy'))}, upstream ${percent(of('upstreamBusy'))} of a core`;
    const times = `CPU ${ratio(turns, floods.get(floor) ?? [], 'cpu').toFixed(2)} times the floor`;
    console.log(`${name.padEnd(18)} ${callers} callers: ${figures}, ${times}; ${shares}`);
  }
  const recordedTurns = floods.get(onDisk) ?? [];
  goals.push(
    {
      what: `recorded sends, ${callers} callers`,
      value: median(recordedTurns.map(({ perSecond }) => perSecond)),
      limit: 1_500,
      atLeast: true,
      unit: '/s',
    },
    {
      what: 'CPU of a recorded send, of the floor',
      value: ratio(recordedTurns, floods.get(floor) ?? [], 'cpu'),
      limit: 1.25,
      unit: 'x',
    },
  );
  console.log(`\n${goalsTable(goals)}`);
} finally {
  await Promise.all([direct.destroy(), kept.destroy()]);
  await peers.close();
}

async function called(url: string, dispatcher: Agent, expected: number): Promise<number> {
  const startedAt = performance.now();
  const answer = await request(url, { method: 'POST', dispatcher, headers, ...(expected === 201 && { body }) });
  await answer.body.dump();
  if (answer.statusCode !== expected) throw new Error(`${url} answers ${answer.statusCode}`);
  return performance.now() - startedAt;
}

/** In turns, so that a busy moment of the machine meets all of them; the first round only warms up. */
async function takeTurns(ways: Record<string, () => Promise<number>>): Promise<Map<string, number[]>> {
  const waits = new Map<string, number[]>();
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, call] of Object.entries(ways)) {
      const measured = waits.get(name) ?? [];
      waits.set(name, measured);
      for (let n = 0; n < callsPerRound; n += 1) {
        const ms = await call();
        if (round > 0) measured.push(ms);
      }
    }
  }
  return waits;
}

type Flood = Awaited<ReturnType<typeof floodOne>>;

/** In turns as well, each against the floor of its own round. The first round warms up. */
async function flood(all: Peer[], upstream: Peer): Promise<Map<Peer, Flood[]>> {
  const results = new Map<Peer, Flood[]>(all.map((peer) => [peer, []]));
  for (let round = 0; round <= floodRounds; round += 1)
    for (const peer of all) {
      const turn = await floodOne(peer, upstream);
      if (round > 0) results.get(peer)?.push(turn);
    }
  return results;
}

async function floodOne(peer: Peer, upstream: Peer) {
  const [before, upstreamBefore] = [cpuUs(peer.pid), cpuUs(upstream.pid)];
  const startedAt = performance.now();
  const result = await new Promise<Result>((resolve, reject) => {
    const options = {
      url: `${peer.url}/v1/messages/text`,
      method: 'POST' as const,
      headers,
      body,
      connections: callers,
      duration: floodSeconds,
    };
    autocannon(options, (error, result) => (error ? reject(error) : resolve(result)));
  });
  const sends = result['2xx'];
  if (result.non2xx + result.errors + result.timeouts > 0 || sends === 0)
    throw new Error(`${peer.name}: ${result.non2xx} refused`);
  const { p50, p99 } = result.latency;
  const elapsedUs = (performance.now() - startedAt) * 1000;
  const spentUs = cpuUs(peer.pid) - before;
  const upstreamBusy = (cpuUs(upstream.pid) - upstreamBefore) / elapsedUs;
  return {
    perSecond: sends / result.duration,
    p50,
    p99,
    cpu: spentUs / sends,
    busy: spentUs / elapsedUs,
    upstreamBusy,
  };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
