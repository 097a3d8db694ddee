import type { FastifyReply, FastifyRequest } from 'fastify';
import { broadcastLocation } from '../src/broadcasts/broadcast-service.ts';
import type { BroadcastScope, KnownBroadcast, Started } from '../src/broadcasts/types.ts';
import type { Holds } from '../src/holds/holds.ts';
import { Broadcast } from '../src/schemas/broadcast.ts';
import { answers } from '../src/schemas/common.ts';
import { requestScopeOf } from './request-context.ts';

export const started = {
  202: answers('All recipients are recorded, and go out from now on; `Location` names the broadcast.', Broadcast),
};

/** The schema of the headers requires the key. */
export function requireIdempotencyKey(request: FastifyRequest): BroadcastScope {
  return { key: '', ...requestScopeOf(request) };
}

export function replyWithBroadcast(reply: FastifyReply, { broadcast, replayed }: Started): FastifyReply {
  Object.assign(reply.request.requestLog, { broadcastId: broadcast.id, connection: broadcast.connectionId });
  return reply
    .code(202)
    .headers({ location: broadcastLocation(broadcast), ...(replayed && { 'idempotency-replayed': 'true' }) })
    .send(toBroadcast(broadcast));
}

/** A broadcast as its caller sees it. */
export function toBroadcast(stored: KnownBroadcast, holds?: Holds): Broadcast {
  const { id, template, name, connectionId, channel, total, counts, createdAt, updatedAt, finishedAt } = stored;
  const { queued, sending, accepted, rejected, not_sent: notSent, unknown, cancelled } = counts;
  return {
    id,
    template,
    broadcastName: name,
    connectionId,
    ...(channel !== undefined && { channel }),
    ...stateOf(stored, holds),
    counts: { total, queued, sending, accepted, rejected, notSent, unknown, cancelled },
    ...(stored.delivery && { delivery: stored.delivery }),
    ...(stored.rejections && { rejections: stored.rejections }),
    ...(stored.looks && { looks: stored.looks }),
    createdAt,
    updatedAt,
    ...(finishedAt !== undefined && { finishedAt }),
  };
}

/** A running broadcast that is held is shown as paused, by the service or by an operator. */
function stateOf(
  { caller, connectionId, status, counts, pausedBy, pauseReason }: KnownBroadcast,
  holds: Holds | undefined,
): Pick<Broadcast, 'status' | 'pausedBy' | 'pauseReason'> {
  if (status === 'paused') {
    return { status, pausedBy: pausedBy ?? 'caller', ...(pauseReason !== undefined && { pauseReason }) };
  }
  if (status === 'cancelled' || status === 'done') return { status };
  const waits = counts.queued > 0;
  const hold = waits ? holds?.reasonFor({ caller, connection: connectionId, scope: 'broadcasts:send' }) : undefined;
  if (!hold) return { status: 'running' };
  return {
    status: 'paused',
    pausedBy: hold.code === 'sending-stopped' ? 'operator' : 'service',
    pauseReason: hold.detail,
  };
}
