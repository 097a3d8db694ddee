import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callerEntry } from '../src/callers.ts';
import { pinned } from './cpu.ts';

export const callerKey = 'bench-key-0123456789abcdef';

export interface Command {
  argv: string[];
  env?: Record<string, string>;
}

interface Start {
  name: string;
  /** The core that it is pinned to; absent: not pinned. */
  core?: 0 | 1;
  command(port: number): Command;
  /** Whether the process takes calls by now. */
  isReady(port: number): Promise<boolean>;
}

export interface Started {
  pid: number;
  port: number;
  /** From spawn to ready, ms. */
  startMs: number;
  stop(): Promise<void>;
}

/** Starts processes pinned to a core, and ends what it started. */
export function createProcesses() {
  const directory = mkdtempSync(join(tmpdir(), 'wati-bff-bench-'));
  const clientsFile = join(directory, 'clients.json');
  writeFileSync(clientsFile, JSON.stringify([callerEntry('bench', callerKey, { scopes: ['*'] })]));
  const running = new Set<ChildProcess>();

  async function end(started: ChildProcess): Promise<void> {
    running.delete(started);
    started.kill();
    if (started.exitCode === null && started.signalCode === null) await once(started, 'exit');
  }

  return {
    /** Removed by `close`. */
    directory,
    start: async ({ name, core, command, isReady }: Start): Promise<Started> => {
      const port = await freePort();
      const { argv, env = {} } = command(port);
      const [program = '', ...rest] = pinned(core, argv);
      const log = openSync(join(directory, `${name.replaceAll(/\W/g, '-')}.log`), 'a');
      const startedAt = performance.now();
      // The developer's own settings do not reach a child.
      const environment = { PATH: process.env.PATH, ...env };
      const started = spawn(program, rest, { stdio: ['ignore', log, 'inherit'], env: environment });
      running.add(started);
      while (!(await isReady(port))) {
        if (started.exitCode !== null) throw new Error(`${started.spawnfile} ended with ${started.exitCode}`);
        await new Promise((resume) => setTimeout(resume, 2));
      }
      return { pid: started.pid ?? 0, port, startMs: performance.now() - startedAt, stop: () => end(started) };
    },
    /** The service, as `npm start` runs it, in front of `upstream`. */
    service: (upstream: string, port: number, settings: Record<string, string> = {}): Command => ({
      argv: serviceArgv,
      env: {
        MATON_API_KEY: 'bench-maton-key-of-nobody',
        MATON_GATEWAY_URL: upstream,
        MATON_CONTROL_URL: upstream,
        MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80',
        CLIENTS_FILE: clientsFile,
        STORE_URL: 'memory:',
        PORT: String(port),
        DRAIN_DELAY_MS: '0',
        NODE_COMPILE_CACHE: join(import.meta.dirname, '../node_modules/.cache/wati-bff'),
        ...settings,
      },
    }),
    close: async () => {
      await Promise.all([...running].map(end));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** One of bench/children. */
export const child = (name: string, ...argv: (string | number)[]): Command => ({
  argv: node(join(import.meta.dirname, 'children', `${name}.ts`), ...argv),
});

const node = (...argv: (string | number)[]) => [process.execPath, ...argv.map(String)];

/** As in `npm start`. */
export const serviceArgv = node(
  '--max-semi-space-size=8',
  '--heap-growing-percent=50',
  '--initial-old-space-size=48',
  '--expose-gc',
  join(import.meta.dirname, '../src/bin/server.ts'),
);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
