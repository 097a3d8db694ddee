import type { FastifyReply } from 'fastify';
import { memoizeLast } from '../src/lib/memoize.ts';

/** Serializes an object once for all requests that return it: coalesced reads share it (src/upstream/request-coalescing.ts). */
export function serializeOnce(reply: FastifyReply): void {
  const write = reply.getSerializationFunction('200');
  if (!write) throw new Error('serializeOnce needs a route with a response schema for 200');
  reply.type('application/json; charset=utf-8').serializer((page: Page) => textOf(page, write));
}

/** The type that the response schema describes. */
type Page = Record<string, unknown>;

/** Each page comes from one route, so its serialization depends on the object alone. */
const textOf = memoizeLast((page: Page, write: (page: Page) => string) => write(page));
