import type { FastifyRequest } from 'fastify';
import type { Caller } from '../src/callers.ts';
import type { RequestScope } from '../src/delivery/types.ts';
import { callerOf } from '../src/http/authenticate.ts';

/** Who sends, and under which key: the header's form was checked by the schema. */
export function requestScopeOf(request: FastifyRequest): RequestScope {
  const key = request.headers['idempotency-key'];
  return {
    caller: callerOf(request).id,
    route: `${request.method} ${request.routeOptions.url}`,
    ...(typeof key === 'string' && { key }),
    ...quotaOf(callerOf(request)),
  };
}

function quotaOf({ messagesPerHour: perHour, messagesPerDay: perDay }: Caller): Pick<RequestScope, 'quota'> {
  if (perHour === undefined && perDay === undefined) return {};
  return { quota: { ...(perHour !== undefined && { perHour }), ...(perDay !== undefined && { perDay }) } };
}
