import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request } from 'undici';
import type { Simulator } from '../../src/simulator/simulator.ts';

/** What the upstream does with the key of a request: refuses with it, says it in every text, or in its headers. */
export type Manner = 'refuses' | 'says' | 'heads';

export interface EchoingUpstream {
  readonly gatewayUrl: string;
  readonly controlUrl: string;
  /** How the key is quoted, within a JSON text. */
  quote: string;
  manner: Manner;
  status: number;
  /** Paths that are answered as they should be. */
  spared: RegExp;
  /** What was asked of it. */
  asked: number;
  close(): void;
}

const mark = '@the-key@';

/** Stands before the simulator, and quotes the key in what it answers. */
export async function startEchoing(simulator: Simulator): Promise<EchoingUpstream> {
  const servers: Server[] = [];
  const listen = async (target: string): Promise<string> => {
    const server = createServer(async (asked, response) => {
      const body = await bytesOf(asked);
      echoing.asked += 1;
      if (echoing.manner === 'refuses' && !echoing.spared.test(asked.url ?? '')) {
        response.writeHead(echoing.status, { 'content-type': 'application/json' });
        response.end(`{"message":"invalid api key ${echoing.quote} for this account"}`);
        return;
      }
      const { host: _host, connection: _connection, ...headers } = asked.headers;
      const answer = await request(`${target}${asked.url}`, {
        method: (asked.method ?? 'GET') as 'GET',
        headers,
        ...(body.length > 0 && { body }),
      });
      const text = Buffer.from(await answer.body.arrayBuffer());
      if (echoing.spared.test(asked.url ?? '')) {
        response.writeHead(answer.statusCode).end(text);
        return;
      }
      const type = String(answer.headers['content-type'] ?? 'text/plain');
      if (echoing.manner === 'heads') {
        const value = echoing.quote.replace(/[^\x20-\x7e]/g, '.').slice(0, 2_000);
        response.writeHead(answer.statusCode, {
          'content-type': `${type}; a="${value}"`,
          'content-disposition': `attachment; filename="${value}"`,
          location: `/${encodeURI(value)}`,
          'x-key': value,
        });
        response.end(text);
        return;
      }
      response.writeHead(answer.statusCode, { 'content-type': type });
      response.end(quoted(text.toString('latin1'), echoing.quote));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const echoing: EchoingUpstream = {
    gatewayUrl: await listen(simulator.gatewayUrl),
    controlUrl: await listen(simulator.controlUrl),
    quote: '',
    manner: 'says',
    status: 400,
    spared: /^$/,
    asked: 0,
    close: () => {
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
  return echoing;
}

/** Every text of an answer with the key behind it, and one more; what is no JSON has it behind its end. */
function quoted(text: string, quote: string): Buffer {
  try {
    const body: unknown = JSON.parse(Buffer.from(text, 'latin1').toString(), (_name, value: unknown) =>
      typeof value === 'string' ? `${value} ${mark}` : value,
    );
    const whole = typeof body === 'object' && body !== null && !Array.isArray(body) ? { ...body, note: mark } : body;
    return Buffer.from(JSON.stringify(whole).replaceAll(mark, () => quote));
  } catch {
    return Buffer.concat([Buffer.from(text, 'latin1'), Buffer.from(quote)]);
  }
}

async function bytesOf(asked: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of asked) chunks.push(chunk);
  return Buffer.concat(chunks);
}
