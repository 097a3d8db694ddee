import autocannon, { type Request, type Result } from 'autocannon';
import { cpuUs, rssMb } from './cpu.ts';
import type { Peer } from './peers.ts';
import { callerKey } from './processes.ts';

/** One round: as many requests as the peer answers, over connections that stay open. */
export interface Round {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** CPU time of the peer, user and system, by requests answered. */
  cpuUs: number;
  /** How much of its core the peer used; under 1 it waited for the load. */
  busy: number;
  rssMb: number;
}

const connections = 32;
const headers = { authorization: `Bearer ${callerKey}` };

/** Who asks for what: `same` all at once for one page, `other` each request for another one. */
export type Asking = 'same' | 'other';

const pagesMax = 10_000;

const pathOf = (peer: Peer, pageSize: number, page: number) =>
  `${peer.path}?pageSize=${pageSize}&${peer.path.startsWith('/v1') ? 'page' : 'pageNumber'}=${page}`;

interface Load {
  pageSize: number;
  asking: Asking;
  seconds: number;
}

export async function measure(peer: Peer, { pageSize, asking, seconds }: Load): Promise<Round> {
  let page = 1;
  const next = () => {
    if (asking === 'other') page = (page % pagesMax) + 1;
    return pathOf(peer, pageSize, page);
  };

  const waits: number[] = [];
  const before = cpuUs(peer.pid);
  const startedAt = performance.now();
  const result = await new Promise<Result>((resolve, reject) => {
    const requests = [{ setupRequest: (request: Request) => ({ ...request, path: next() }) }];
    const options = { url: peer.url, connections, headers, duration: seconds, requests };
    const running = autocannon(options, (error, result) => (error ? reject(error) : resolve(result)));
    // autocannon's own percentiles are whole milliseconds.
    running.on('response', (...[, , , ms]) => waits.push(ms));
  });
  const elapsedUs = (performance.now() - startedAt) * 1000;
  const spentUs = cpuUs(peer.pid) - before;
  if (result.non2xx + result.errors + result.timeouts > 0 || waits.length === 0) {
    throw new Error(`${peer.name}: ${result.non2xx} answers were not 2xx, ${result.errors} requests failed`);
  }
  waits.sort((a, b) => a - b);
  return {
    perSecond: (waits.length / elapsedUs) * 1_000_000,
    p50Ms: waits[Math.floor(waits.length * 0.5)] ?? Number.NaN,
    p99Ms: waits[Math.floor(waits.length * 0.99)] ?? Number.NaN,
    cpuUs: spentUs / waits.length,
    busy: spentUs / elapsedUs,
    rssMb: rssMb(peer.pid),
  };
}

/** A peer that answers quickly and wrongly is not fast. Bytes of the body. */
export async function check(peer: Peer, pageSize: number): Promise<number> {
  const answer = await fetch(`${peer.url}${pathOf(peer, pageSize, 1)}`, { headers });
  const text = await answer.text();
  const body = JSON.parse(text);
  const entries = peer.path.startsWith('/v1') ? body.data : body.contact_list;
  if (answer.status !== 200 || entries.length !== pageSize) throw new Error(`${peer.name} answers ${answer.status}`);
  return Buffer.byteLength(text);
}

/** The middle round by each figure: one round that a neighbour disturbed changes nothing. */
export function middle(rounds: Round[]): Round {
  const of = (name: keyof Round) => median(rounds.map((round) => round[name]));
  return {
    perSecond: of('perSecond'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    cpuUs: of('cpuUs'),
    busy: of('busy'),
    rssMb: of('rssMb'),
  };
}

/** How many times the other's figure, in the middle round of those that stood side by side. */
export const ratio = <Figure extends string>(
  rounds: Record<Figure, number>[],
  others: Record<Figure, number>[],
  name: Figure,
): number => median(rounds.map((round, index) => round[name] / (others[index]?.[name] ?? Number.NaN)));

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
