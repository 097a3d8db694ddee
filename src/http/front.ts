import type { RequestListener, Server } from 'node:http';
import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import type { Config } from '../config.ts';
import { createHttpServer } from '../lib/create-http-server.ts';
import { createPools, type Pools } from '../pools/pools.ts';
import { AddressLimit } from './address-limit.ts';
import { type ConnectionRefusal, type Connections, watchConnections } from './connections.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { logRequest } from './request-log.ts';
import { type SampledLog, sampleRefusals } from './sampled-log.ts';

/** Connections, pools and limits between the network and the routes. */
export interface Front {
  readonly pools: Pools;
  /** Limits requests without a valid key. */
  readonly keyless: AddressLimit;
  readonly requestLog: SampledLog;
  /** For Fastify: the listener with its limits. */
  openServer(handler: RequestListener): Server;
  connections(): { readonly open: number; readonly refused: Readonly<Record<ConnectionRefusal, number>> };
  /** Releases the request's capacity in the pools; a hook of plugins/request-completed.ts. */
  leave(request: FastifyRequest): void;
  close(): void;
}

export function createFront(config: Config, logger: FastifyBaseLogger): Front {
  const watched: Connections[] = [];
  const requestLog = sampleRefusals(logRequest, {
    tell: (line) => logger.info(line, 'equal refusals, not logged one by one'),
  });
  return {
    pools: createPools(config),
    keyless: new AddressLimit({ perSecond: config.KEYLESS_PER_SECOND }),
    requestLog,
    openServer: (handler) => {
      const server = createHttpServer(
        // Headers have ten seconds; plugins/request-bodies.ts and src/upload set the deadlines of bodies.
        // plugins/request-validation.ts refuses a missing Host with a problem document.
        { headersTimeout: 10_000, connectionsCheckingInterval: 1_000, requireHostHeader: false },
        oneAtATime(handler, () => connections.flooded()),
      );
      server.keepAliveTimeout = 10_000;
      server.requestTimeout = 0;
      const connections = watchConnections(server, {
        max: config.CONNECTIONS_MAX,
        perAddress: config.CONNECTIONS_PER_ADDRESS_PERCENT,
      });
      watched.push(connections);
      return server;
    },
    connections: () => {
      const refused = { full: 0, address: 0, silent: 0, pipelined: 0 };
      let open = 0;
      for (const each of watched) {
        open += each.open;
        for (const reason of ['full', 'address', 'silent', 'pipelined'] as const)
          refused[reason] += each.refused[reason];
      }
      return { open, refused };
    },
    leave: (request) => request.leave?.(),
    close: () => {
      for (const each of watched) each.close();
      requestLog.close();
    },
  };
}
