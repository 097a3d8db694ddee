import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { FastifyInstance } from 'fastify';

/**
 * For routes whose answers are the same for everybody, need no key and are large: each is kept once. A thousand who take it
 * slowly would otherwise hold a thousand copies, or read the file a thousand times.
 */
export function shareBodies(app: FastifyInstance): void {
  const kept = new Map<string, Buffer>();
  app.addHook('onSend', async (request, reply, payload) => {
    if (request.method !== 'GET' || reply.statusCode !== 200) return payload;
    // A file may be asked for in many spellings, but has one tag.
    const name = String(reply.getHeader('etag') ?? request.routeOptions.url);
    const known = kept.get(name);
    if (known) {
      if (payload instanceof Readable) payload.destroy();
      return known;
    }
    const body = payload instanceof Readable ? await buffer(payload) : toBuffer(payload);
    if (body) kept.set(name, body);
    return body ?? payload;
  });
}

const toBuffer = (payload: unknown): Buffer | undefined =>
  typeof payload === 'string' ? Buffer.from(payload) : undefined;
