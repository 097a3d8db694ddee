import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { has } from './cpu.ts';
import { type Command, child, createProcesses, type Started } from './processes.ts';

/** A process that passes uploads on, or takes them in. */
export interface UploadPeer extends Started {
  name: string;
  /** Where it takes a file. */
  path: string;
}

const servicePath = '/v1/messages/file?to=14155551000';
const nativePath = '/wati/api/v1/sendSessionFile/14155551000';

const urlOf = ({ port }: UploadPeer) => `http://127.0.0.1:${port}`;

interface PeerOptions extends Pick<UploadPeer, 'name' | 'path'> {
  core?: 0 | 1;
}

/** Starts the peers of the uploads part, and ends what it started. */
export function createUploadPeers() {
  const processes = createProcesses();
  const { directory } = processes;

  async function start({ name, path, core = 0 }: PeerOptions, command: (port: number) => Command): Promise<UploadPeer> {
    return { name, path, ...(await processes.start({ name, core, command, isReady: isListening })) };
  }

  return {
    sink: (bytesPerSecond?: number) =>
      start({ name: 'sink', path: '', core: 1 }, (port) =>
        child('upload-sink', port, ...(bytesPerSecond ? [bytesPerSecond] : [])),
      ),
    service: (sink: UploadPeer, settings: Record<string, string> = {}) =>
      start({ name: 'wati-bff', path: servicePath }, (port) =>
        processes.service(urlOf(sink), port, { MATON_RATE_PER_SECOND: '1000000', WATI_PLAN: 'none', ...settings }),
      ),
    pipe: (sink: UploadPeer) =>
      start({ name: 'node:http pipe', path: nativePath }, (port) => child('upload-pipe', port, urlOf(sink))),
    digestingPipe: (sink: UploadPeer) =>
      start({ name: 'node:http pipe, SHA-256 taken', path: nativePath }, (port) =>
        child('upload-pipe', port, urlOf(sink), '--digest'),
      ),
    httpProxy: (sink: UploadPeer) =>
      start({ name: '@fastify/http-proxy', path: nativePath }, (port) => child('upload-proxy', port, urlOf(sink))),
    /** `undefined` where nginx is not installed. */
    nginx: async (sink: UploadPeer) => {
      if (!has('nginx', '-v')) return undefined;
      const file = join(directory, 'nginx.conf');
      return start({ name: 'nginx', path: nativePath }, (port) => {
        writeFileSync(file, nginxConf(port, sink.port));
        return { argv: ['nginx', '-p', directory, '-e', 'stderr', '-c', file] };
      });
    },
    close: processes.close,
  };
}

const isListening = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
    socket.end();
  });

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
