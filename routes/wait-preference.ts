import type { FastifyRequest } from 'fastify';
import { preferences } from './header-lists.ts';
import type { RequestDeadline } from './upstream-context.ts';

/** What is left for the outcome of a send. `Prefer: respond-async` does not wait for it at all. */
export function sendWaitMs(request: FastifyRequest, { untilMs }: RequestDeadline): number {
  return isAsync(request) ? 0 : Math.max(1, untilMs - performance.now());
}
const isAsync = ({ headers: { prefer } }: FastifyRequest): boolean =>
  prefer !== undefined && preferences(String(prefer)).has('respond-async');
/** What it sends goes out behind its answer: so wished, or a broadcast of ours. */
export const isUnattended = (request: FastifyRequest): boolean =>
  request.routeOptions.config.preferWait !== 'outcome' || isAsync(request);
