import { Agent, request } from 'undici';
import { pinSelf } from './cpu.ts';
import { median, ratio } from './load.ts';
import { createPeers, type Peer } from './peers.ts';
import { body, callers, type Flood, floodOnce, headers, templateCallers, templatePath, text, to } from './send-load.ts';
import { compareStores } from './send-stores.ts';
import { type Goal, goalsTable } from './table.ts';

/**
 * `npm run bench -- sends`: one text at a time, made directly with undici, through the service, and through the service with
 * durable records, in alternating rounds; then as many sends as 64 callers can make, and as many template messages as go out in
 * ten calls a second, compared with the minimum of a recorded send (bench/children/durable-send.ts), also in alternating rounds.
 * The upstream answers at once.
 * BENCH_POSTGRES_URL names an empty database, to compare sends that are recorded there.
 */
const quick = process.argv.includes('--quick');
const rounds = quick ? 3 : 10;
const callsPerRound = quick ? 50 : 200;
const floodRounds = quick ? 3 : 5;
const floodSeconds = quick ? 2 : 4;

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
  // At Maton's limit, template messages that wait for a call share it.
  const limited = await peers.service(upstream, 'file:', { MATON_RATE_PER_SECOND: '10', WATI_PLAN: 'none' });
  const batches = { ...limited, name: 'templates, file:', path: templatePath };
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
  const floods = await flood([floor, inMemory, onDisk, batches], upstream);
  for (const [peer, turns] of floods) {
    const { name } = peer;
    const many = peer === batches ? templateCallers : callers;
    const of = (figure: keyof Flood) => median(turns.map((turn) => turn[figure]));
    const figures = `${of('perSecond').toFixed(0)}/s, p50 ${of('p50')} ms, p99 ${of('p99')} ms, CPU ${of('cpu').toFixed(0)} µs a send`;
    // A service far under 100 % waited for the disk, for the upstream, or for neighbours on its core.
    const shares = `service ${percent(of('busy'))}, upstream ${percent(of('upstreamBusy'))} of a core`;
    const times = `CPU ${ratio(turns, floods.get(floor) ?? [], 'cpu').toFixed(2)} times the floor`;
    console.log(`${name.padEnd(18)} ${many} callers: ${figures}, ${times}; ${shares}`);
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
    {
      what: 'CPU of a template message inside batches, of the floor',
      value: ratio(floods.get(batches) ?? [], floods.get(floor) ?? [], 'cpu'),
      limit: 0.6,
      unit: 'x',
    },
  );
  goals.push(...(await compareStores(peers, { upstream, onDisk, seconds: floodSeconds })));
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

/** Alternates too, and compares each with the minimum of its own round. The first round warms up. */
async function flood(all: Peer[], upstream: Peer): Promise<Map<Peer, Flood[]>> {
  const results = new Map<Peer, Flood[]>(all.map((peer) => [peer, []]));
  for (let round = 0; round <= floodRounds; round += 1)
    for (const peer of all) {
      const turn = await floodOnce(peer, upstream, floodSeconds);
      if (round > 0) results.get(peer)?.push(turn);
    }
  return results;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
