import type { FastifyReply } from 'fastify';
import { oncePer } from '../src/once-per.ts';

/** Writes the answer as JSON once for all who return the same object: equal reads share one (src/upstream/request-coalescing.ts). */
export function writeOnce(reply: FastifyReply): void {
  const write = reply.getSerializationFunction('200');
  if (!write) throw new Error('writeOnce needs a route with a response schema for 200');
  reply.type('application/json; charset=utf-8').serializer((page: Page) => textOf(page, write));
}

/** What a response schema describes; the words of type-provider and serializer meet here. */
type Page = Record<string, unknown>;

/** Each page is made by one route, so how it is written follows from it. */
const textOf = oncePer((page: Page, write: (page: Page) => string) => write(page));
