import type { FastifyRequest } from 'fastify';
import { callerOf } from '../plugins/auth.ts';
import type { Caller } from '../src/callers.ts';
import type { Asker } from '../src/delivery/delivery-service.ts';

/** Who sends, and under which key: the header's form was checked by the schema. */
export function askerOf(request: FastifyRequest): Asker {
  const key = request.headers['idempotency-key'];
  return {
    caller: callerOf(request).id,
    route: `${request.method} ${request.routeOptions.url}`,
    ...(typeof key === 'string' && { key }),
    ...quotaOf(callerOf(request)),
  };
}

function quotaOf({ messagesPerHour: perHour, messagesPerDay: perDay }: Caller): Pick<Asker, 'quota'> {
  if (perHour === undefined && perDay === undefined) return {};
  return { quota: { ...(perHour !== undefined && { perHour }), ...(perDay !== undefined && { perDay }) } };
}
