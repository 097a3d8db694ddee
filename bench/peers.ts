import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { has } from './cpu.ts';
import { type Command, child, createProcesses, serviceArgv } from './processes.ts';

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
  const processes = createProcesses();
  const { directory } = processes;

  async function start({ name, path, core = 0 }: PeerOptions, command: (port: number) => Command): Promise<Peer> {
    const { port, ...started } = await processes.start({ name, core, command, isReady: answers });
    return { name, path, url: urlOf(port), ...started };
  }

  return {
    /** Of this run, gone with it. */
    directory,
    upstream: () => start({ name: 'upstream', path: '', core: 1 }, (port) => child('upstream', port)),
    /** The simulator with Maton's limit; its own address tells where it takes calls, and what it has seen. */
    limited: (plan = 'none') => start({ name: 'simulator', path: '', core: 1 }, (port) => child('limited', port, plan)),
    /** Other work that wants all of a core. */
    busy: (core: 0 | 1) =>
      processes.start({
        name: 'busy',
        core,
        command: () => ({ argv: [process.execPath, '-e', 'for (;;);'] }),
        isReady: async () => true,
      }),
    /** `store`: `memory:`, or a file of this run. */
    service: (
      upstream: Pick<Peer, 'url'>,
      store: 'memory:' | 'file:' = 'memory:',
      settings: Record<string, string> = {},
    ) =>
      start({ name: `wati-bff, ${store}`, path: '/v1/contacts' }, (port) =>
        processes.service(upstream.url, port, {
          MATON_RATE_PER_SECOND: '100000',
          STORE_URL: store === 'file:' ? `file:${join(directory, `${port}.db`)}` : store,
          ...settings,
        }),
      ),
    /** The service with a store of its own, which writes to `held` how long its event loop stood still. */
    watched: (upstream: Pick<Peer, 'url'>, store: string, held: string) =>
      start({ name: 'wati-bff, watched', path: '' }, (port) => ({
        argv: [...serviceArgv.slice(0, -1), join(import.meta.dirname, 'children/held-service.ts'), held],
        env: processes.service(upstream.url, port, { STORE_URL: store }).env ?? {},
      })),
    /** The minimum cost of a recorded send. */
    durableSend: (upstream: Peer) =>
      start({ name: 'floor', path: '' }, (port) =>
        child('durable-send', port, upstream.url, join(directory, `${port}.db`)),
      ),
    relay: (upstream: Peer) =>
      start({ name: 'bare relay', path: relayed }, (port) => child('relay', port, upstream.url)),
    jsonRelay: (upstream: Peer) =>
      start({ name: 'relay, JSON read and written', path: relayed }, (port) =>
        child('relay', port, upstream.url, '--json'),
      ),
    httpProxy: (upstream: Pick<Peer, 'url'>) =>
      start({ name: '@fastify/http-proxy', path: relayed }, (port) => child('http-proxy', port, upstream.url)),
    /** `undefined` where nginx is not installed. */
    nginx: async (upstream: Peer) => {
      if (!has('nginx', '-v')) return undefined;
      const file = join(directory, 'nginx.conf');
      return start({ name: 'nginx', path: relayed }, (port) => {
        writeFileSync(file, nginxConf(port, upstream.url));
        return { argv: ['nginx', '-p', directory, '-e', 'stderr', '-c', file] };
      });
    },
    /** Ends what still runs, and removes the logs. */
    close: processes.close,
  };
}

const urlOf = (port: number) => `http://127.0.0.1:${port}`;

/** Whether the process answers on its port. */
export const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const asked = request(`${urlOf(port)}/health/live`, { agent: false }, (answer) => {
      // A proxy passes the upstream's answer on, whatever that is.
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
