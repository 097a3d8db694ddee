import { setTimeout as sleep } from 'node:timers/promises';
import { pinSelf, rssMb } from './cpu.ts';
import { type Asking, check, measure, median, type Round, ratio } from './load.ts';
import { createPeers, type Peer } from './peers.ts';
import { type Goal, goalsTable, peersTable } from './table.ts';

/**
 * A page of contacts through the service and through proxies that do nothing but pass it on, in short alternating rounds
 * of one run, compared round by round: a machine that is slower for a while is so for all of them. The figures hold for
 * this machine; the ratios travel.
 */
const quick = process.argv.includes('--quick');
const pageSizes = [5, 50];
/**
 * Equal reads at the same time are one call upstream and are read and written once, so the two differ. With Maton's 10
 * requests a second, more than 10 reads a second can only be of the first kind.
 */
const words: Record<Asking, string> = { same: 'all callers the same', other: 'each request another' };
const starts = quick ? 3 : 5;
const idleMs = quick ? 1_000 : 5_000;
const rounds = quick ? 3 : 11;
const roundSeconds = 1;
const warmUpSeconds = quick ? 1 : 3;

const peers = createPeers();
try {
  console.log(`Node ${process.version}, ${pinSelf() ? 'peers on core 0, load and upstream on core 1' : 'not pinned'}`);
  const upstream = await peers.upstream();
  const { service, startMs } = await startOften(upstream);
  await sleep(idleMs);
  const idleMb = rssMb(service.pid);
  const relay = await peers.relay(upstream);
  const jsonRelay = await peers.jsonRelay(upstream);
  const others = [jsonRelay, await peers.httpProxy(upstream)];
  const nginx = await peers.nginx(upstream);
  if (nginx) others.push(nginx);
  else console.log('nginx is not installed: left out');

  const goals: Goal[] = [];
  for (const pageSize of pageSizes) {
    const bytes = `${await check(relay, pageSize)} bytes upstream, ${await check(service, pageSize)} to the caller`;
    for (const asking of ['same', 'other'] as const) {
      const measured = await compare([relay, service, ...others], pageSize, asking);
      console.log(`\n${pageSize} contacts a page, ${words[asking]} (${bytes})`);
      console.log(peersTable([...measured]));
      const roundsOf = (name: string) => measured.get(name) ?? [];
      const ours = roundsOf(service.name);
      const versus = (what: string, value: number, rest: Pick<Goal, 'limit' | 'atLeast'>) =>
        goals.push({ what: `CPU a request, ${pageSize} contacts, ${asking} page: ${what}`, value, unit: 'x', ...rest });
      versus('of the bare relay', ratio(ours, roundsOf(relay.name), 'cpuUs'), { limit: 1.25 });
      if (asking === 'other') {
        const limit = pageSize > 5 ? 1 : 1.25;
        versus('of the JSON relay', ratio(ours, roundsOf(jsonRelay.name), 'cpuUs'), { limit });
      }
      const httpProxy = ratio(roundsOf('@fastify/http-proxy'), ours, 'cpuUs');
      versus('less than @fastify/http-proxy', httpProxy, { limit: 1.6, atLeast: true });
    }
  }
  goals.push({ what: `start to ready, median of ${starts}`, value: startMs, limit: 1_000, unit: 'ms' });
  goals.push({ what: `memory after ${idleMs / 1000} s idle`, value: idleMb, limit: 110, unit: 'MB' });
  console.log(`\n${goalsTable(goals)}`);
} finally {
  await peers.close();
}

/** The last one started stays. */
async function startOften(upstream: Peer): Promise<{ service: Peer; startMs: number }> {
  let service = await peers.service(upstream);
  const times = [service.startMs];
  while (times.length < starts) {
    await service.stop();
    service = await peers.service(upstream);
    times.push(service.startMs);
  }
  return { service, startMs: median(times) };
}

async function compare(all: Peer[], pageSize: number, asking: Asking): Promise<Map<string, Round[]>> {
  const results = new Map<string, Round[]>(all.map(({ name }) => [name, []]));
  for (const peer of all) {
    await check(peer, pageSize);
    await measure(peer, { pageSize, asking, seconds: warmUpSeconds });
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const peer of all)
      results.get(peer.name)?.push(await measure(peer, { pageSize, asking, seconds: roundSeconds }));
  }
  return results;
}
