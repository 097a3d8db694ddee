import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callerEntry } from '../src/callers.ts';
import { pinned } from './cpu.ts';

export const callerKey = 'bench-key-0123456789abcdef';

export interface Child {
  name: string;
  core: 0 | 1;
  command: (port: number) => { argv: string[]; env?: Record<string, string> };
  /** Resolves when it takes connections. */
  ready: (port: number, process: ChildProcess) => Promise<void>;
}

export const childFile = (name: string) => join(import.meta.dirname, 'children', `${name}.ts`);
export const node = (...argv: (string | number)[]) => [process.execPath, ...argv.map(String)];

/** Processes of one run, each on a port of its own, with a directory that is gone with them. */
export class ChildProcesses {
  readonly directory: string;
  readonly clientsFile: string;
  readonly #running = new Set<ChildProcess>();

  constructor(name: string) {
    this.directory = mkdtempSync(join(tmpdir(), name));
    this.clientsFile = join(this.directory, 'clients.json');
    writeFileSync(this.clientsFile, JSON.stringify([callerEntry('bench', callerKey, { scopes: ['*'] })]));
  }

  async start({ name, core, command, ready }: Child) {
    const port = await freePort();
    const { argv, env = {} } = command(port);
    const [program = '', ...rest] = pinned(core, argv);
    const log = openSync(join(this.directory, `${name.replaceAll(/\W/g, '-')}.log`), 'a');
    const startedAt = performance.now();
    // Nothing of the developer's own settings reaches a child.
    const environment = { PATH: process.env.PATH, ...env, PORT: String(port) };
    const started = spawn(program, rest, { stdio: ['ignore', log, 'inherit'], env: environment });
    this.#running.add(started);
    await ready(port, started);
    const startMs = performance.now() - startedAt;
    return { pid: started.pid ?? 0, port, startMs, stop: () => this.#end(started) };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running].map((each) => this.#end(each)));
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #end(started: ChildProcess): Promise<void> {
    this.#running.delete(started);
    started.kill();
    if (started.exitCode === null && started.signalCode === null) await once(started, 'exit');
  }
}

export async function untilReady(process: ChildProcess, isReady: () => Promise<boolean>): Promise<void> {
  for (;;) {
    if (process.exitCode !== null) throw new Error(`${process.spawnfile} ended with ${process.exitCode}`);
    if (await isReady()) return;
    await new Promise((resume) => setTimeout(resume, 2));
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
