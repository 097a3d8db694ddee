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

/** Responses of the routes that start a broadcast. */
export const started = {
  // Not 200: generated clients take the lowest status for the answer of an operation, and that is the broadcast.
  '2xx': answers('200 with `dryRun=true`: the result of the check.', BroadcastDryRun),
  202: answers(
    'All recipients are recorded. Sending starts now, or at `sendAt`; `Location` names the broadcast.',
    Broadcast,
  ),
};

export const resent = { 202: started[202] };

/** Returns the requester, and adds it to the log. The schema of the headers requires the key. */
export function requireIdempotencyKey(request: FastifyRequest): BroadcastRequester {
  const requester = { key: '', ...requesterOf(request) };
  logSend(request, requester);
  return requester;
}

/** Options that earlier versions did not know. A request without them has the same fingerprint as in those versions. */
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
