import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callerEntry } from '../src/callers.ts';
import { has, pinned } from './cpu.ts';
import { callerKey, serviceArgv, serviceEnvironment } from './peers.ts';

/** A process that passes uploads on, or takes them in. */
export interface UploadPeer {
  name: string;
  pid: number;
  port: number;
  /** Where it takes a file. */
  path: string;
  stop(): Promise<void>;
}

const servicePath = '/v1/messages/file?to=14155551000';
const nativePath = '/wati/api/v1/sendSessionFile/14155551000';

const child = (name: string) => join(import.meta.dirname, 'children', `${name}.ts`);
const urlOf = ({ port }: UploadPeer) => `http://127.0.0.1:${port}`;

/** Starts the peers of the uploads part, and ends what it started. */
export function createUploadPeers() {
  const directory = mkdtempSync(join(tmpdir(), 'wati-bff-uploads-'));
  const clientsFile = join(directory, 'clients.json');
  writeFileSync(clientsFile, JSON.stringify([callerEntry('bench', callerKey, ['*'])]));
  const running = new Set<ChildProcess>();

  async function start(
    name: string,
    path: string,
    core: 0 | 1,
    argvOf: (port: number) => string[],
    env: Record<string, string> = {},
  ): Promise<UploadPeer> {
    const port = await freePort();
    const [program = '', ...rest] = pinned(core, argvOf(port));
    const log = openSync(join(directory, `${name.replaceAll(/\W/g, '-')}.log`), 'a');
    const environment = { PATH: process.env.PATH, ...env, PORT: String(port) };
    const started = spawn(program, rest, { stdio: ['ignore', log, 'inherit'], env: environment });
    running.add(started);
    await listening(port, started);
    const stop = async () => {
      running.delete(started);
      started.kill();
      if (started.exitCode === null && started.signalCode === null) await once(started, 'exit');
    };
    return { name, pid: started.pid ?? 0, port, path, stop };
  }

  return {
    sink: (bytesPerSecond?: number) =>
      start('sink', '', 1, (port) => [
        ...node(child('upload-sink'), port),
        ...(bytesPerSecond ? [`${bytesPerSecond}`] : []),
      ]),
    service: (sink: UploadPeer, settings: Record<string, string> = {}) =>
      start('wati-bff', servicePath, 0, () => serviceArgv, {
        MATON_API_KEY: 'bench-maton-key-of-nobody',
        MATON_GATEWAY_URL: urlOf(sink),
        MATON_CONTROL_URL: urlOf(sink),
        MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80',
        CLIENTS_FILE: clientsFile,
        STORE_URL: 'memory:',
        MATON_RATE_PER_SECOND: '1000000',
        WATI_PLAN: 'none',
        DRAIN_DELAY_MS: '0',
        ...serviceEnvironment,
        ...settings,
      }),
    pipe: (sink: UploadPeer) =>
      start('node:http pipe', nativePath, 0, (port) => node(child('upload-pipe'), port, urlOf(sink))),
    digestingPipe: (sink: UploadPeer) =>
      start('node:http pipe, SHA-256 taken', nativePath, 0, (port) =>
        node(child('upload-pipe'), port, urlOf(sink), '--digest'),
      ),
    httpProxy: (sink: UploadPeer) =>
      start('@fastify/http-proxy', nativePath, 0, (port) => node(child('upload-proxy'), port, urlOf(sink))),
    /** `undefined` where nginx is not installed. */
    nginx: async (sink: UploadPeer) => {
      if (!has('nginx', '-v')) return undefined;
      const file = join(directory, 'nginx.conf');
      return start('nginx', nativePath, 0, (port) => {
        writeFileSync(file, nginxConf(port, sink.port));
        return ['nginx', '-p', directory, '-e', 'stderr', '-c', file];
      });
    },
    close: () => {
      for (const started of running) started.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const node = (...argv: (string | number)[]) => [process.execPath, ...argv.map(String)];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function listening(port: number, started: ChildProcess): Promise<void> {
  for (;;) {
    if (started.exitCode !== null) throw new Error(`${started.spawnfile} ended with ${started.exitCode}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.end();
    });
    if (open) return;
    await new Promise((resume) => setTimeout(resume, 10));
  }
}

const nginxConf = (port: number, upstream: number) => `
daemon off; master_process off; worker_processes 1; pid nginx.pid;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi; client_max_body_size 0;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://127.0.0.1:${upstream}; proxy_http_version 1.1;
      proxy_request_buffering off; proxy_read_timeout 600s; client_body_timeout 600s;
    }
  }
}`;
