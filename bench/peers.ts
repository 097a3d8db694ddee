import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callerEntry } from '../src/callers.ts';
import { has, pinned } from './cpu.ts';

/** One proxy under test, or the upstream, in its own process. */
export interface Peer {
  name: string;
  pid: number;
  url: string;
  /** Where it serves a page of contacts. */
  path: string;
  /** From spawn to its first answer, ms. */
  startMs: number;
  stop(): Promise<void>;
}

export const callerKey = 'bench-key-0123456789abcdef';

const relayed = '/wati/api/v1/getContacts';
const child = (name: string) => join(import.meta.dirname, 'children', `${name}.ts`);

/** Starts the peers and ends what it started. */
export function createPeers() {
  const directory = mkdtempSync(join(tmpdir(), 'wati-bff-bench-'));
  const clientsFile = join(directory, 'clients.json');
  writeFileSync(clientsFile, JSON.stringify([callerEntry('bench', callerKey, ['*'])]));
  const running = new Set<ChildProcess>();

  async function end(process: ChildProcess): Promise<void> {
    running.delete(process);
    process.kill();
    if (process.exitCode === null && process.signalCode === null) await once(process, 'exit');
  }

  async function start(name: string, path: string, core: 0 | 1, toCommand: (port: number) => Command): Promise<Peer> {
    const port = await freePort();
    const { argv, env = {} } = toCommand(port);
    const [program = '', ...rest] = pinned(core, argv);
    const log = openSync(join(directory, `${name.replaceAll(/\W/g, '-')}.log`), 'a');
    const startedAt = performance.now();
    const process = spawn(program, rest, { stdio: ['ignore', log, 'inherit'], env: { ...environment(), ...env } });
    running.add(process);
    const url = `http://127.0.0.1:${port}`;
    await firstAnswer(`${url}/health/live`, process);
    const startMs = performance.now() - startedAt;
    return { name, pid: process.pid ?? 0, url, path, startMs, stop: () => end(process) };
  }

  return {
    /** Of this run, gone with it. */
    directory,
    upstream: () => start('upstream', '', 1, (port) => ({ argv: node(child('upstream'), port) })),
    /** The simulator with Maton's limit; its own address tells where it takes calls, and what it has seen. */
    limited: () => start('simulator', '', 1, (port) => ({ argv: node(child('limited'), port) })),
    /** `store`: `memory:`, or a file of this run. */
    service: (
      upstream: Pick<Peer, 'url'>,
      store: 'memory:' | 'file:' = 'memory:',
      settings: Record<string, string> = {},
    ) =>
      start(`wati-bff, ${store}`, '/v1/contacts', 0, (port) => ({
        argv: serviceArgv,
        env: {
          MATON_API_KEY: 'bench-maton-key-of-nobody',
          MATON_GATEWAY_URL: upstream.url,
          MATON_CONTROL_URL: upstream.url,
          MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80',
          CLIENTS_FILE: clientsFile,
          MATON_RATE_PER_SECOND: '100000',
          STORE_URL: store === 'file:' ? `file:${join(directory, `${port}.db`)}` : store,
          PORT: String(port),
          DRAIN_DELAY_MS: '0',
          ...serviceEnvironment,
          ...settings,
        },
      })),
    relay: (upstream: Peer) =>
      start('bare relay', relayed, 0, (port) => ({ argv: node(child('relay'), port, upstream.url) })),
    jsonRelay: (upstream: Peer) =>
      start('relay, JSON read and written', relayed, 0, (port) => ({
        argv: node(child('relay'), port, upstream.url, '--json'),
      })),
    httpProxy: (upstream: Pick<Peer, 'url'>) =>
      start('@fastify/http-proxy', relayed, 0, (port) => ({ argv: node(child('http-proxy'), port, upstream.url) })),
    /** `undefined` where nginx is not installed. */
    nginx: async (upstream: Peer) => {
      if (!has('nginx', '-v')) return undefined;
      const file = join(directory, 'nginx.conf');
      return start('nginx', relayed, 0, (port) => {
        writeFileSync(file, nginxConf(port, upstream.url));
        return { argv: ['nginx', '-p', directory, '-e', 'stderr', '-c', file] };
      });
    },
    /** Whatever still runs goes, and so do the logs. */
    close: async () => {
      await Promise.all([...running].map(end));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface Command {
  argv: string[];
  env?: Record<string, string>;
}

const node = (...argv: (string | number)[]) => [process.execPath, ...argv.map(String)];

/** As `npm start` has it. */
export const serviceArgv = node(
  '--max-semi-space-size=8',
  '--heap-growing-percent=50',
  join(import.meta.dirname, '../src/bin/server.ts'),
);
export const serviceEnvironment = {
  NODE_COMPILE_CACHE: join(import.meta.dirname, '../node_modules/.cache/wati-bff'),
};

/** Nothing of the developer's own settings reaches a child. */
const environment = () => ({ PATH: process.env.PATH });

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function firstAnswer(url: string, process: ChildProcess): Promise<void> {
  for (;;) {
    if (process.exitCode !== null) throw new Error(`${process.spawnfile} ended with ${process.exitCode}`);
    if (await answers(url)) return;
    await new Promise((resume) => setTimeout(resume, 2));
  }
}

const answers = (url: string) =>
  new Promise<boolean>((resolve) => {
    const asked = request(url, { agent: false }, (answer) => {
      // A proxy passes the upstream's word on, whatever that is.
      answer.resume().on('end', () => resolve(true));
    });
    asked.on('error', () => resolve(false)).end();
  });

const nginxConf = (port: number, upstream: string) => `
daemon off; master_process off; worker_processes 1; pid nginx.pid;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi; keepalive_requests 10000000;
  upstream gateway { server ${new URL(upstream).host}; keepalive 32; keepalive_requests 10000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://gateway; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}`;
