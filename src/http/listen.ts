import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { FastifyInstance } from 'fastify';

interface ListenOptions {
  host: string;
  port: number;
  backlog: number;
}

/**
 * Node takes one connection of a listener in each turn of its event loop. While turns are long, a flood of connections would fill
 * the kernel's queue, and every other new connection would wait behind it for half a minute: so several listeners share
 * the port.
 */
const listeners = 16;

/** Listens with `app`, and hands it what the other listeners take. They close with its server. */
export async function listen(app: FastifyInstance, { host, port, backlog }: ListenOptions): Promise<void> {
  // Elsewhere the system does not share connections out evenly, or not at all.
  if (process.platform !== 'linux') {
    await app.listen({ host, port, backlog });
    return;
  }
  if (port !== 0) await assertFree(host, port);
  const options = { host, port, backlog, reusePort: true };
  await app.listen(options);
  const address = app.server.address();
  if (address === null || typeof address === 'string') return;
  const others = await Promise.all(Array.from({ length: listeners - 1 }, () => another(app, address, backlog)));
  closeWith(app, others);
}

/** A port that is shared could be shared with another process as well, without a word to either. */
async function assertFree(host: string, port: number): Promise<void> {
  const probe = createServer((socket) => socket.destroy());
  probe.listen({ host, port });
  await once(probe, 'listening');
  probe.close();
  await once(probe, 'close');
}

async function another(app: FastifyInstance, { address, port }: AddressInfo, backlog: number): Promise<Server> {
  // As node:http opens its own.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    app.server.emit('connection', socket);
  });
  server.listen({ host: address, port, backlog, reusePort: true });
  await once(server, 'listening');
  return server;
}

/** Fastify closes its server and waits for the end of its connections: those of the others are among them. */
function closeWith(app: FastifyInstance, others: readonly Server[]): void {
  const close = app.server.close.bind(app.server);
  app.server.close = (ended) => {
    const closed = others.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    return close((error) => void Promise.all(closed).then(() => ended?.(error)));
  };
}
