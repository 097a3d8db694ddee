import type { FastifyReply } from 'fastify';
import type { Release } from '../pools/shared-pool.ts';

/** Calls `release` when the response is sent or the client has disconnected; at once if that has happened already. */
export function untilAnswered({ raw }: FastifyReply, release: Release): void {
  if (raw.closed || raw.destroyed) release();
  else raw.once('close', release);
}
