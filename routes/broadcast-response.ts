import type { FastifyReply, FastifyRequest } from 'fastify';
import { broadcastLocation } from '../src/broadcasts/broadcast-service.ts';
import type { BroadcastRequester, Started } from '../src/broadcasts/types.ts';
import { logSend } from '../src/http/request-log.ts';
import { toBroadcast } from '../src/messages/broadcast-view.ts';
import { Broadcast } from '../src/schemas/broadcast.ts';
import { answers } from '../src/schemas/common.ts';
import { BroadcastDryRun } from '../src/schemas/dry-run.ts';
import type { Schedule } from '../src/store/message-store.ts';
import { requesterOf } from './request-context.ts';

/** The answers of the routes that start a broadcast. */
export const started = {
  // Not 200: generated clients take the lowest status for the answer of an operation, and that is the broadcast.
  '2xx': answers('200 with `dryRun=true`: what would happen.', BroadcastDryRun),
  202: answers(
    'All recipients are recorded, and go out from now on, or from `sendAt` on; `Location` names the broadcast.',
    Broadcast,
  ),
};

export const resent = { 202: started[202] };

/** Who asks, for the log as well. The schema of the headers requires the key. */
export function requireIdempotencyKey(request: FastifyRequest): BroadcastRequester {
  const requester = { key: '', ...requesterOf(request) };
  logSend(request, requester);
  return requester;
}

/** The part of a request's content that earlier versions did not know: absent from the fingerprint of a request without it. */
export function termsOf({ channel, perMinute, sendAt, notAfter }: Terms): unknown[] {
  return [
    ...(channel ? [channel] : []),
    ...(perMinute === undefined ? [] : [{ perMinute }]),
    ...(sendAt === undefined && notAfter === undefined ? [] : [{ sendAt, notAfter }]),
  ];
}

interface Terms extends Schedule {
  channel: string | undefined;
  perMinute: number | undefined;
}

export function replyWithBroadcast(reply: FastifyReply, { broadcast, replayed }: Started): FastifyReply {
  Object.assign(reply.request.requestLog, { broadcastId: broadcast.id, connection: broadcast.connectionId });
  return reply
    .code(202)
    .headers({ location: broadcastLocation(broadcast), ...(replayed && { 'idempotency-replayed': 'true' }) })
    .send(toBroadcast(broadcast));
}
