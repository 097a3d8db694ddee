import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { type Child, ChildProcesses, childFile, node, untilReady } from './child-processes.ts';
import { has } from './cpu.ts';

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

const relayed = '/wati/api/v1/getContacts';

interface PeerOptions extends Pick<Peer, 'name' | 'path'> {
  core?: 0 | 1;
}

/** Starts the peers and ends what it started. */
export function createPeers() {
  const children = new ChildProcesses('wati-bff-bench-');
  const { directory, clientsFile } = children;

  async function start({ name, path, core = 0 }: PeerOptions, command: Child['command']): Promise<Peer> {
    const ready = (port: number, process: ChildProcess) =>
      untilReady(process, () => answers(`${urlOf(port)}/health/live`));
    const { port, ...started } = await children.start({ name, core, command, ready });
    return { name, path, url: urlOf(port), ...started };
  }

  return {
    /** Of this run, gone with it. */
    directory,
    upstream: () =>
      start({ name: 'upstream', path: '', core: 1 }, (port) => ({ argv: node(childFile('upstream'), port) })),
    /** The simulator with Maton's limit; its own address tells where it takes calls, and what it has seen. */
    limited: () =>
      start({ name: 'simulator', path: '', core: 1 }, (port) => ({ argv: node(childFile('limited'), port) })),
    /** `store`: `memory:`, or a file of this run. */
    service: (
      upstream: Pick<Peer, 'url'>,
      store: 'memory:' | 'file:' = 'memory:',
      settings: Record<string, string> = {},
    ) =>
      start({ name: `wati-bff, ${store}`, path: '/v1/contacts' }, (port) => ({
        argv: serviceArgv,
        env: {
          MATON_API_KEY: 'bench-maton-key-of-nobody',
          MATON_GATEWAY_URL: upstream.url,
          MATON_CONTROL_URL: upstream.url,
          MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80',
          CLIENTS_FILE: clientsFile,
          MATON_RATE_PER_SECOND: '100000',
          STORE_URL: store === 'file:' ? `file:${join(directory, `${port}.db`)}` : store,
          DRAIN_DELAY_MS: '0',
          ...serviceEnvironment,
          ...settings,
        },
      })),
    relay: (upstream: Peer) =>
      start({ name: 'bare relay', path: relayed }, (port) => ({ argv: node(childFile('relay'), port, upstream.url) })),
    jsonRelay: (upstream: Peer) =>
      start({ name: 'relay, JSON read and written', path: relayed }, (port) => ({
        argv: node(childFile('relay'), port, upstream.url, '--json'),
      })),
    httpProxy: (upstream: Pick<Peer, 'url'>) =>
      start({ name: '@fastify/http-proxy', path: relayed }, (port) => ({
        argv: node(childFile('http-proxy'), port, upstream.url),
      })),
    /** `undefined` where nginx is not installed. */
    nginx: async (upstream: Peer) => {
      if (!has('nginx', '-v')) return undefined;
      const file = join(directory, 'nginx.conf');
      return start({ name: 'nginx', path: relayed }, (port) => {
        writeFileSync(file, nginxConf(port, upstream.url));
        return { argv: ['nginx', '-p', directory, '-e', 'stderr', '-c', file] };
      });
    },
    close: () => children.close(),
  };
}

const urlOf = (port: number) => `http://127.0.0.1:${port}`;

/** As `npm start` has it. */
export const serviceArgv = node(
  '--max-semi-space-size=8',
  '--heap-growing-percent=50',
  join(import.meta.dirname, '../src/bin/server.ts'),
);
export const serviceEnvironment = {
  NODE_COMPILE_CACHE: join(import.meta.dirname, '../node_modules/.cache/wati-bff'),
};

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
