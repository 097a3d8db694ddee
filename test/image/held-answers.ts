import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request } from 'undici';
import type { Simulator } from '../../src/simulator/simulator.ts';

/** Stands before the simulator's gateway; answers to `held` are megabytes, whose last bytes come when they are let go. */
export interface HoldingGateway {
  readonly url: string;
  /** How many answers lack their last bytes now. */
  readonly held: number;
  release(): void;
  close(): void;
}

interface Held {
  readonly path: RegExp;
  /** What is answered, whole. */
  readonly body: Buffer;
}

const lastBytes = 10;

export async function startHolding(simulator: Simulator, answers: readonly Held[]): Promise<HoldingGateway> {
  const waiting = new Map<ServerResponse, Buffer>();
  const server = createServer(async (asked, response) => {
    const found = answers.find(({ path }) => path.test(asked.url ?? ''));
    if (found) {
      asked.resume();
      response.on('error', () => {}).on('close', () => waiting.delete(response));
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': found.body.length });
      response.write(found.body.subarray(0, -lastBytes));
      waiting.set(response, found.body.subarray(-lastBytes));
      return;
    }
    const { host: _host, connection: _connection, ...headers } = asked.headers;
    const chunks: Buffer[] = [];
    for await (const chunk of asked) chunks.push(chunk);
    const answer = await request(`${simulator.gatewayUrl}${asked.url}`, {
      method: (asked.method ?? 'GET') as 'GET',
      headers,
      ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
    });
    response.writeHead(answer.statusCode, { 'content-type': String(answer.headers['content-type'] ?? 'text/plain') });
    response.end(Buffer.from(await answer.body.arrayBuffer()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get held() {
      return waiting.size;
    },
    release: () => {
      for (const [response, rest] of waiting) response.end(rest);
      waiting.clear();
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
