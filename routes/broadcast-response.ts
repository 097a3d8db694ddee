import type { FastifyReply, FastifyRequest } from 'fastify';
import { broadcastLocation } from '../src/broadcasts/broadcast-service.ts';
import type { BroadcastRequester, Started } from '../src/broadcasts/types.ts';
import { toBroadcast } from '../src/messages/broadcast-view.ts';
import { Broadcast } from '../src/schemas/broadcast.ts';
import { answers } from '../src/schemas/common.ts';
import { requesterOf } from './request-context.ts';

export const started = {
  202: answers(
    'All recipients are recorded, and go out from now on, or from `sendAt` on; `Location` names the broadcast.',
    Broadcast,
  ),
};

/** The schema of the headers requires the key. */
export function requireIdempotencyKey(request: FastifyRequest): BroadcastRequester {
  return { key: '', ...requesterOf(request) };
}

/** The part of the fingerprint for when it may go out; empty for those that go out at once. */
export const scheduleIn = ({ sendAt, notAfter }: BroadcastRequester): unknown[] =>
  sendAt === undefined && notAfter === undefined ? [] : [{ sendAt, notAfter }];

export function replyWithBroadcast(reply: FastifyReply, { broadcast, replayed }: Started): FastifyReply {
  Object.assign(reply.request.requestLog, { broadcastId: broadcast.id, connection: broadcast.connectionId });
  return reply
    .code(202)
    .headers({ location: broadcastLocation(broadcast), ...(replayed && { 'idempotency-replayed': 'true' }) })
    .send(toBroadcast(broadcast));
}
