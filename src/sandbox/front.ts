import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { watchConnections } from '../http/connections.ts';

/**
 * One listener for the life of the sandbox, in front of one service after another. The listener keeps clients' connections open
 * when the service is replaced; otherwise a kept-alive client would send its next request into a closed connection.
 */
export interface Front {
  /** The address for clients. */
  readonly url: string;
  /** Puts another service behind the listener. Requests that arrive meanwhile wait for it. */
  replace(change: () => Promise<FastifyInstance>): Promise<void>;
  /** Accepts no more connections. The owner of the service closes that. */
  stop(): void;
  /** Closes the connections that are left. */
  close(): void;
}

interface FrontOptions {
  readonly host: string;
  readonly port: number;
  /** CONNECTIONS_MAX, and the percentage of it that one address may have. */
  readonly max: number;
  readonly perAddress: number;
  /** Serves requests that are not for the service; returns whether this was one. */
  readonly own: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Runs before the service receives the request. */
  readonly before: (request: IncomingMessage) => Promise<unknown> | undefined;
}

export async function openFront(
  first: FastifyInstance,
  { host, port, max, perAddress, own, before }: FrontOptions,
): Promise<Front> {
  let service = first;
  let change: Promise<void> | undefined;
  // The settings that src/app.ts gives its own server, as far as they can be read from it.
  const { keepAliveTimeout, headersTimeout, requestTimeout, maxHeadersCount } = first.server;
  const front = createServer({ requireHostHeader: false, connectionsCheckingInterval: 1_000 });
  Object.assign(front, { keepAliveTimeout, headersTimeout, requestTimeout, maxHeadersCount });
  const connections = watchConnections(front, { max, perAddress });

  for (const event of ['request', 'checkContinue', 'checkExpectation'] as const) {
    front.on(event, (request: IncomingMessage, response: ServerResponse) => {
      if (own(request, response)) return;
      const pass = () => void service.server.emit(event, request, response);
      const waits = change ? change.then(() => before(request)) : before(request);
      if (waits) waits.then(pass, () => response.destroy());
      else pass();
    });
  }
  front.on('clientError', (error, socket) => void service.server.emit('clientError', error, socket));

  await new Promise<void>((resolve, reject) => {
    front.once('error', reject);
    front.listen(port, host, resolve);
  });
  return {
    url: urlOf(front.address()),
    replace(next) {
      const turn = (change ?? Promise.resolve()).then(async () => {
        service = await next();
      });
      const over = () => {
        if (change === turn) change = undefined;
      };
      change = turn;
      turn.then(over, over);
      return turn;
    },
    stop: () => void front.close(),
    close: () => {
      connections.close();
      front.closeAllConnections();
    },
  };
}

/** A wildcard address cannot be called, so loopback is used. */
function urlOf(address: ReturnType<ReturnType<typeof createServer>['address']>): string {
  if (address === null || typeof address === 'string') throw new Error('the sandbox listens on no port');
  const host = /^(0\.0\.0\.0|::)$/.test(address.address) ? '127.0.0.1' : address.address;
  return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
}
