import autocannon, { type Request, type Result } from 'autocannon';
import { cpuUs } from './cpu.ts';
import type { Peer } from './peers.ts';
import { callerKey } from './processes.ts';

export const callers = 64;
/** So many send templates at once: about as many as one call takes. */
export const templateCallers = 192;
export const templatePath = '/v1/messages/template';
export const text = 'Your parcel is on its way.';
export const to = '14155551000';
export const body = JSON.stringify({ to, text });
export const headers = { authorization: `Bearer ${callerKey}`, 'content-type': 'application/json' };

export interface Flood {
  perSecond: number;
  p50: number;
  p99: number;
  /** CPU time of the service per send, µs. */
  cpu: number;
  /** CPU use, in cores. */
  busy: number;
  upstreamBusy: number;
}

const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
let templates = 0;

/** A message to somebody else each time, because one call takes one message a person. */
function template(): string {
  templates += 1;
  const to = `1415${String(1_000_000 + (templates % 9_000_000))}`;
  return JSON.stringify({ to, template: 'order_update', parameters });
}

const texts = { path: '/v1/messages/text', connections: callers, requests: [{ body }] };
const batched = {
  path: templatePath,
  connections: templateCallers,
  requests: [{ setupRequest: (request: Request) => ({ ...request, body: template() }) }],
};

/** Sends as many messages as possible: each caller sends again as soon as it has its answer. */
export async function floodOnce(peer: Peer, upstream: Peer, duration: number): Promise<Flood> {
  const [before, upstreamBefore] = [cpuUs(peer.pid), cpuUs(upstream.pid)];
  const startedAt = performance.now();
  const { path, connections, requests } = peer.path === templatePath ? batched : texts;
  const result = await new Promise<Result>((resolve, reject) => {
    const options = { url: `${peer.url}${path}`, method: 'POST' as const, headers, requests, connections, duration };
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
