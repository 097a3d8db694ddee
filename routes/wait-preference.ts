import type { FastifyRequest } from 'fastify';
import type { RequestDeadline } from '../src/http/types.ts';
import { preferences } from './header-lists.ts';

/** How long a request still waits for the outcome of its send. `Prefer: respond-async` does not wait. */
export function sendWaitMs(request: FastifyRequest, { deadline }: RequestDeadline): number {
  return isAsync(request) ? 0 : Math.max(1, deadline - performance.now());
}

const isAsync = ({ headers: { prefer } }: FastifyRequest): boolean =>
  prefer !== undefined && preferences(String(prefer)).has('respond-async');

/** The response does not wait for the outcome: by preference, or for a broadcast. */
export const isUnattended = (request: FastifyRequest): boolean =>
  request.routeOptions.config.preferWait !== 'outcome' || isAsync(request);
