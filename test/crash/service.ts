import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serviceArgv } from '../../bench/processes.ts';
import { callerEntry } from '../../src/callers.ts';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { compileCache } from '../support/compile-cache.ts';

export const callerKey = 'crash-key-with-every-scope';
const connection = '21fd90f9-5935-43cd-b6c8-bde9d915ca80';

/** The service as its own process, to be killed. */
export interface Service {
  url: string;
  /** Of node itself, also under strace. */
  pid(): number;
  readonly alive: boolean;
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Resolves when it is gone, however; to its exit code, if it ended by itself. */
  ended: Promise<number | null>;
  errors(): string;
}

export interface Place {
  folder: string;
  start(options?: StartOptions): Promise<Service>;
  close(): Promise<void>;
}

interface StartOptions {
  settings?: Record<string, string>;
  /** Where an earlier life listened; a free one otherwise. */
  port?: number;
  /** What stands before `node`, e.g. strace and its arguments. */
  under?: string[];
  env?: Record<string, string>;
  /** It may be killed before it can answer: then this resolves all the same. */
  mayDie?: boolean;
}

type CallerEntry = ReturnType<typeof callerEntry>;

/** A folder with the callers and the store; every start in it is the next life of the same service. */
export function aPlace(simulator: Simulator, storeUrl?: string, others: CallerEntry[] = []): Place {
  const folder = mkdtempSync(join(tmpdir(), 'wati-bff-crash-'));
  const clients = join(folder, 'clients.json');
  writeFileSync(clients, JSON.stringify([callerEntry('crash', callerKey, { scopes: ['*'] }), ...others]));
  const started = new Set<Service>();

  return {
    folder,
    start: async ({ settings = {}, port: given, under = [], env = {}, mayDie = false } = {}) => {
      const port = given ?? (await freePort());
      const [program = '', ...rest] = [...under, ...serviceArgv];
      // A group of its own: strace may be killed with SIGKILL and would leave node behind.
      const child = spawn(program, rest, {
        stdio: ['ignore', 'ignore', 'pipe'],
        detached: true,
        env: {
          PATH: process.env.PATH,
          // Under strace every write counts.
          ...(under.length === 0 && compileCache),
          MATON_API_KEY: simulator.key,
          MATON_GATEWAY_URL: simulator.gatewayUrl,
          MATON_CONTROL_URL: simulator.controlUrl,
          MATON_CONNECTION_ID: connection,
          CLIENTS_FILE: clients,
          MATON_RATE_PER_SECOND: '100000',
          STORE_URL: storeUrl ?? `file:${join(folder, 'store.db')}`,
          SEND_WAIT_MS: '20000',
          UPSTREAM_TIMEOUT_MS: '15000',
          LOG_LEVEL: 'fatal',
          DRAIN_DELAY_MS: '0',
          PORT: String(port),
          ...settings,
          ...env,
        },
      });
      const service = follow(child, `http://127.0.0.1:${port}`, under.length > 0);
      started.add(service);
      while (service.alive && !(await answers(service.url))) await sleep(10);
      if (!service.alive && !mayDie) throw new Error(`the service did not start: ${service.errors()}`);
      return service;
    },
    close: async () => {
      await Promise.all([...started].map((service) => service.kill()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function follow(child: ChildProcess, url: string, wrapped: boolean): Service {
  const group = child.pid;
  if (group === undefined) throw new Error(`cannot start ${child.spawnfile}`);
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  let alive = true;
  const ended = once(child, 'exit').then(([code]): number | null => {
    alive = false;
    return code;
  });
  return {
    url,
    get alive() {
      return alive;
    },
    pid: () => (wrapped ? childOf(group) : group),
    kill: async () => {
      if (alive) {
        // By the pid where there is one: of a whole group, the kernel may let strace outlive its tracee for a moment.
        process.kill(-group, 'SIGCONT');
        process.kill(-group, 'SIGKILL');
      }
      await ended;
    },
    ended,
    errors: () => errors,
  };
}

const childOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);

async function answers(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/health/live`, { signal: AbortSignal.timeout(2_000) });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
