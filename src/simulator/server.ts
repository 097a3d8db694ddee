import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { toError } from '../lib/to-error.ts';

export interface Listener {
  readonly port: number;
  readonly url: string;
  stop(): Promise<void>;
}

export type Handler = (request: IncomingMessage, response: ServerResponse, signal: AbortSignal) => Promise<void>;

/**
 * Plain node:http instead of Fastify: faults often concern the socket itself, a refused request must still be recorded with its
 * raw bytes, and a framework's own 4xx would hide it from the ledger.
 */
export async function listen(host: string, port: number, handler: Handler): Promise<Listener> {
  const sockets = new Set<Socket>();
  const stopping = new AbortController();
  const server = createServer(
    // 4,096 non-ASCII characters make a URL of 50 KB; uploads may be slow on purpose.
    { maxHeaderSize: 65_536, requestTimeout: 0, keepAliveTimeout: 60_000 },
    (request, response) => {
      handler(request, response, stopping.signal).catch((error: unknown) => {
        response.destroy(toError(error));
      });
    },
  );
  server.on('connection', (socket) => {
    sockets.add(socket);
    // A reset by the client is an ordinary event here.
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the simulator listens on no port');
  return {
    port: address.port,
    url: `http://${callable(host)}:${address.port}`,
    async stop() {
      stopping.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A wildcard address cannot be called, so loopback is used. */
function callable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
