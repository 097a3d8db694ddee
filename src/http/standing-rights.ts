import type { FastifyRequest } from 'fastify';
import { isAllowedFrom } from '../callers/addresses.ts';
import { type Caller, type Callers, hasScope, type KeyHolder, mayUse } from '../callers.ts';
import { callerOf } from './authenticate.ts';
import { bearerOf } from './credentials.ts';

/**
 * For a request that goes on for long: its caller as the callers file stands now, and undefined once a new request would not be
 * let in any more, or would be let into less: the key or its scope is gone, or a connection that it could use at first.
 */
export function standingRights(request: FastifyRequest, callers: Callers): () => KeyHolder | undefined {
  const { authorization = '' } = request.headers;
  const { scope } = request.routeOptions.config;
  const atFirst = callerOf(request);
  return () => {
    const now = bearerOf(authorization, callers);
    if (!now || now.id !== atFirst.id) return undefined;
    if (scope !== undefined && !hasScope(now, scope)) return undefined;
    if (!isAllowedFrom(now.addresses, request.socket.remoteAddress)) return undefined;
    return keepsConnections(atFirst, now) ? now : undefined;
  };
}

const keepsConnections = (before: Caller, now: Caller): boolean =>
  before.connections.every((connection) => mayUse(now, connection));
