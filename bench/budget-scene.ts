import { loadavg } from 'node:os';
import { join } from 'node:path';
import type { Seen } from './children/limited.ts';
import { type Answer, type Caller, createCaller } from './open-load.ts';
import { createPeers, type Peer } from './peers.ts';
import { callerKey } from './processes.ts';
import type { Goal } from './table.ts';

/** A fresh service on a file, in front of a fresh simulator with Maton's limit. */
export interface Scene {
  service: Peer;
  caller: Caller;
  databaseFile: string;
  seen(): Promise<Seen>;
  template(to: string, headers?: Record<string, string>): Promise<Answer>;
  text(headers?: Record<string, string>): Promise<Answer>;
}

type Peers = ReturnType<typeof createPeers>;

const json = { 'content-type': 'application/json' };
export const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
/** Ends in 5, which no number does that the sandbox treats in its own way. */
export const numberOf = (n: number): string => `15${String(n).padStart(8, '0')}5`;

export async function onScene<Value>(
  what: string,
  run: (scene: Scene, peers: Peers) => Promise<Value>,
  plan: 'none' | 'business' = 'none',
): Promise<Value> {
  const peers = createPeers();
  const before = loadavg()[0] ?? 0;
  try {
    const simulator = await peers.limited(plan);
    const seen = async () => (await (await fetch(simulator.url)).json()) as Seen;
    const { gatewayUrl, controlUrl, key } = await seen();
    const databaseFile = join(peers.directory, 'budget.db');
    const service = await peers.service({ url: gatewayUrl }, 'file:', {
      MATON_API_KEY: key,
      MATON_CONTROL_URL: controlUrl,
      MATON_RATE_PER_SECOND: '10',
      WATI_PLAN: plan,
      STORE_URL: `file:${databaseFile}`,
      ...(process.env.PROF && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${process.env.PROF}` }),
    });
    const caller = createCaller(service.url, callerKey);
    // What the preflight needs is at hand from here on.
    await caller.ask('GET', '/v1/templates');
    const scene: Scene = {
      service,
      caller,
      databaseFile,
      seen,
      template: (to, headers = {}) =>
        caller.ask('POST', '/v1/messages/template', {
          headers: { ...json, ...headers },
          body: JSON.stringify({ to, template: 'order_update', parameters }),
        }),
      text: (headers = {}) =>
        caller.ask('POST', '/v1/messages/text', {
          headers: { ...json, ...headers },
          body: JSON.stringify({ to: '14155551000', text: 'Your parcel is on its way.' }),
        }),
    };
    const value = await run(scene, peers);
    caller.close();
    const { calls, refused, densest } = await seen();
    const load = `load average ${before.toFixed(1)} before, ${(loadavg()[0] ?? 0).toFixed(1)} after`;
    console.log(`${what}: ${calls} calls, at most ${densest} in a second, ${refused} 429s; ${load}`);
    return value;
  } finally {
    await peers.close();
  }
}

/** Adds a row to the table at the end. */
export type SetGoal = (what: string, value: number, bound: Omit<Goal, 'what' | 'value'>) => void;
export const none = { limit: 0, unit: '' };
export const atLeast = (limit: number) => ({ limit, unit: '', atLeast: true as const });

export const times = (answers: readonly Answer[]): number[] => answers.map(({ ms }) => ms);

export function told(answers: readonly Answer[]): string {
  const counts = Map.groupBy(answers, ({ status }) => status);
  return [...counts].map(([status, some]) => `${status}: ${some.length}`).join(', ');
}

export interface BroadcastSeen {
  id: string;
  status: string;
  counts: Record<
    'total' | 'queued' | 'sending' | 'accepted' | 'cancelled' | 'unknown' | 'rejected' | 'notSent',
    number
  >;
  finishedAt?: string;
}

export async function broadcastOf({ caller }: Scene, id: string): Promise<BroadcastSeen> {
  return JSON.parse((await caller.ask('GET', `/v1/broadcasts/${id}`)).body);
}

export async function cancel({ caller }: Scene, id: string): Promise<BroadcastSeen> {
  return JSON.parse((await caller.ask('POST', `/v1/broadcasts/${id}/cancel`)).body);
}

/** Waits until it has ended. */
export async function finished(scene: Scene, id: string): Promise<BroadcastSeen> {
  for (;;) {
    const broadcast = await broadcastOf(scene, id);
    if (broadcast.finishedAt !== undefined) return broadcast;
    await new Promise((resume) => setTimeout(resume, 50));
  }
}

/** A form with a CSV of so many numbers; the last row of a `faulty` one repeats the first. */
export function csvOf(rows: number, faulty = false): Buffer {
  const boundary = 'bench-0123456789abcdef';
  const lines = Array.from(
    { length: rows },
    (_, n) => `${numberOf(faulty && n === rows - 1 ? 0 : n)},Asha,A-${n},shipped\n`,
  );
  return Buffer.from(
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\ncontent-type: text/csv\r\n\r\n` +
      `Phone,customer_name,order_id,order_status\n${lines.join('')}\r\n--${boundary}--\r\n`,
  );
}

export function importCsv({ caller }: Scene, body: Buffer, key: string): Promise<Answer> {
  const headers = { 'content-type': 'multipart/form-data; boundary=bench-0123456789abcdef', 'idempotency-key': key };
  return caller.ask('POST', '/v1/broadcasts/import?template=order_update&broadcastName=bench', { headers, body });
}

export function expectStatus(answer: Answer, status: number): Answer {
  if (answer.status !== status)
    throw new Error(`answered ${answer.status} instead of ${status}: ${answer.body.slice(0, 500)}`);
  return answer;
}
