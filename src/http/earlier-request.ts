import type { FastifyRequest } from 'fastify';
import type { BroadcastStore } from '../store/broadcast-store.ts';
import type { MessageStore } from '../store/message-store.ts';
import { throwStoreUnreadable } from '../store/store-problems.ts';
import { callerOf } from './authenticate.ts';

/** Whether a request repeats a recorded one. It is then answered from the record and sends nothing, so limits on sending do not apply. */
export type IsRepeat = (request: FastifyRequest) => Promise<boolean>;

export function createIsRepeat(
  store: Pick<MessageStore, 'findByKey'> & Pick<BroadcastStore, 'findBroadcastByKey'>,
): IsRepeat {
  return async (request) => {
    const key = request.headers['idempotency-key'];
    if (typeof key !== 'string' || !request.routeOptions.config.sendsMessage) return false;
    const { id } = callerOf(request);
    const route = `${request.method} ${request.routeOptions.url}`;
    const send = await store.findByKey(id, route, key).catch(throwStoreUnreadable);
    return (
      send !== undefined || (await store.findBroadcastByKey(id, route, key).catch(throwStoreUnreadable)) !== undefined
    );
  };
}
