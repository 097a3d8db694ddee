import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Registry } from '@prometheus-io/client';
import fp from 'fastify-plugin';
import { oneAtATime } from '../src/http/one-at-a-time.ts';
import { secureHeaders } from '../src/http/request-smuggling.ts';
import { createHttpServer } from '../src/lib/create-http-server.ts';
import type { Readiness } from '../src/readiness.ts';

interface AdminOptions {
  host: string;
  port: number;
  readiness: Pick<Readiness, 'check'>;
  registry: Registry;
}

/** Enough for probes and scrapers. */
const connectionsMax = 64;

interface AdminAnswer {
  status: number;
  type: string;
  body: string;
}

const asJson = (status: number, body: object): AdminAnswer => ({
  status,
  type: 'application/json; charset=utf-8',
  body: JSON.stringify(body),
});

/**
 * Health and metrics on a separate listener, so that probes and Prometheus are answered whatever callers do to the main one. It
 * needs no key, so it belongs on loopback or on an address that only operators reach. It opens before the main listener and
 * closes last. Register before everything with an onClose hook.
 */
export const adminListener = fp<AdminOptions>(
  async (app, { host, port, readiness, registry }) => {
    const pages: Readonly<Record<string, () => AdminAnswer | Promise<AdminAnswer>>> = {
      '/health/live': () => asJson(200, { status: 'live' }),
      '/health/ready': async () => {
        const state = await readiness.check();
        return asJson(state.status === 'ready' ? 200 : 503, state);
      },
      '/metrics': async () => ({ status: 200, type: registry.contentType, body: await registry.metrics() }),
    };

    const serve = async (request: IncomingMessage, response: ServerResponse) => {
      const { status, type, body } = await toldOf(request);
      response.writeHead(status, { ...secureHeaders, 'content-type': type, 'content-length': Buffer.byteLength(body) });
      response.end(body);
    };
    const toldOf = async ({ method, url = '' }: IncomingMessage): Promise<AdminAnswer> => {
      const page = pages[url.split('?', 1)[0] ?? ''];
      if (page === undefined) return asJson(404, { status: 'not-found', paths: Object.keys(pages) });
      if (method !== 'GET' && method !== 'HEAD') return asJson(405, { status: 'method-not-allowed' });
      return page();
    };

    const server = createHttpServer(
      { headersTimeout: 2_000, requestTimeout: 5_000, keepAliveTimeout: 5_000, connectionsCheckingInterval: 500 },
      oneAtATime((request, response) => {
        serve(request, response).catch((error: unknown) => {
          app.log.error(error, 'the admin listener failed');
          response.destroy();
        });
      }),
    );
    server.maxConnections = connectionsMax;

    app.addHook('onReady', async () => {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, resolve);
      });
      const address = server.address();
      app.log.info({ adminPort: typeof address === 'object' ? address?.port : undefined }, 'the admin listener is up');
    });
    app.addHook('onClose', async () => {
      server.close();
      server.closeAllConnections();
    });
  },
  { name: 'admin-listener' },
);
