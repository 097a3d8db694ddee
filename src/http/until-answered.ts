import type { FastifyReply } from 'fastify';
import type { Release } from '../pools/shared-pool.ts';

/** Calls `release` when the answer is out, or when nobody is left to take it: at once, where that is so already. */
export function untilAnswered({ raw }: FastifyReply, release: Release): void {
  if (raw.closed || raw.destroyed) release();
  else raw.once('close', release);
}
