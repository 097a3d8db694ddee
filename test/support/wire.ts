import { Agent, request } from 'node:http';
import { isEndless } from './endless.ts';
import { type Answer, allKey } from './service.ts';

interface Wire {
  method: string;
  /** Goes out byte for byte: no client tidies `..` or `%2e` away. */
  path: string;
  /** `null`: no Authorization at all. */
  key?: string | null;
  headers?: Record<string, string | string[]>;
  /** A list goes out chunked, without a content-length. */
  body?: string | Buffer | readonly Buffer[];
}

const agent = new Agent({ keepAlive: true, maxSockets: 8 });

/** Sends a request exactly as written. `ask` of the service helper uses a URL parser, which would correct it. */
export function wire(url: string, { method, path, key = allKey, headers = {}, body }: Wire): Promise<Answer> {
  const chunks = typeof body === 'string' || Buffer.isBuffer(body) ? [Buffer.from(body)] : (body ?? []);
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const outgoing = request({
      hostname,
      port,
      method,
      path,
      // A server may hang up on a large body that it refuses: its socket is not used again.
      agent: size > 65_536 ? false : agent,
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && chunks !== body && { 'content-length': String(size) }),
        ...headers,
      },
    });
    outgoing.on('response', (incoming) => {
      const received: Buffer[] = [];
      const done = () => {
        const text = Buffer.concat(received).toString('utf8');
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text, json: parsed(text) });
      };
      incoming.on('data', (chunk: Buffer) => {
        received.push(chunk);
        if (isEndless(path, incoming.headers)) incoming.destroy();
      });
      incoming.on('end', done);
      incoming.on('error', done);
      incoming.on('close', done);
    });
    outgoing.on('error', reject);
    for (const chunk of chunks) outgoing.write(chunk);
    outgoing.end();
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
