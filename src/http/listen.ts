import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { FastifyInstance } from 'fastify';

interface ListenOptions {
  host: string;
  port: number;
  backlog: number;
}

/**
 * Node accepts one connection per listener in each turn of its event loop. While turns are long, a flood of connections fills
 * the kernel's queue, and every new connection waits half a minute. Several listeners on the same port accept several
 * connections per turn.
 */
const listeners = 16;

/** Listens with `app`, and passes it the connections that the other listeners accept. They close together with its server. */
export async function listen(app: FastifyInstance, { host, port, backlog }: ListenOptions): Promise<void> {
  // Other systems than Linux do not distribute connections evenly between listeners, or do not support this at all.
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

/** A shared port could be shared with another process too, without an error in either, so first check that it is free. */
async function assertFree(host: string, port: number): Promise<void> {
  const probe = createServer((socket) => socket.destroy());
  probe.listen({ host, port });
  await once(probe, 'listening');
  probe.close();
  await once(probe, 'close');
}

async function another(app: FastifyInstance, { address, port }: AddressInfo, backlog: number): Promise<Server> {
  // The same options as those of node:http.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    app.server.emit('connection', socket);
  });
  server.listen({ host: address, port, backlog, reusePort: true });
  await once(server, 'listening');
  return server;
}

/** Fastify closes its server and waits until all connections have ended, those of the other listeners included. */
function closeWith(app: FastifyInstance, others: readonly Server[]): void {
  const close = app.server.close.bind(app.server);
  app.server.close = (ended) => {
    const closed = others.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    return close((error) => void Promise.all(closed).then(() => ended?.(error)));
  };
}
