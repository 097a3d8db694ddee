import { Agent, request } from 'undici';
import { pinSelf } from './cpu.ts';
import { median } from './load.ts';
import { createPeers } from './peers.ts';
import { body, callers, flood, floodLine, headers, text, to } from './send-load.ts';
import { compareStores } from './send-stores.ts';
import { type Goal, goalsTable } from './table.ts';

/**
 * `npm run bench -- sends`: one text at a time, made directly with undici, through the service, and through the service with
 * durable records, in alternating rounds; then as many recorded sends as 64 callers get. The upstream answers at once.
 * BENCH_POSTGRES_URL names an empty database, to compare sends that are recorded there.
 */
const quick = process.argv.includes('--quick');
const rounds = quick ? 3 : 10;
const callsPerRound = quick ? 50 : 200;
const seconds = quick ? 4 : 10;

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
  for (const peer of [inMemory, onDisk]) {
    await flood(peer, upstream, 2);
    const flooded = await flood(peer, upstream, seconds);
    console.log(floodLine(peer.name, flooded));
    if (peer === onDisk)
      goals.push({
        what: `recorded sends, ${callers} callers`,
        value: flooded.perSecond,
        limit: 1_500,
        atLeast: true,
        unit: '/s',
      });
  }
  goals.push(...(await compareStores(peers, { upstream, onDisk, seconds: quick ? 3 : 6 })));
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
