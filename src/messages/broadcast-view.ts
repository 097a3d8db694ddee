import type { KnownBroadcast } from '../broadcasts/types.ts';
import type { Holds } from '../holds/holds.ts';
import type { Broadcast } from '../schemas/broadcast.ts';

/** A broadcast as its caller sees it. */
export function toBroadcast(stored: KnownBroadcast, holds?: Holds): Broadcast {
  const { id, template, name, connectionId, channel, total, counts, createdAt, updatedAt, finishedAt } = stored;
  const { queued, sending, accepted, rejected, not_sent: notSent, unknown, cancelled } = counts;
  const state = stateOf(stored, holds);
  return {
    id,
    template,
    broadcastName: name,
    connectionId,
    ...(channel !== undefined && { channel }),
    ...state,
    ...(stored.reference !== undefined && { reference: stored.reference }),
    ...(stored.perMinute !== undefined && { perMinute: stored.perMinute }),
    ...(stored.resendOf !== undefined && { resendOf: stored.resendOf }),
    ...(stored.leftOut !== undefined && { leftOut: stored.leftOut }),
    ...(stored.sendAt !== undefined && { sendAt: stored.sendAt }),
    ...(stored.notAfter !== undefined && { notAfter: stored.notAfter }),
    counts: { total, queued, sending, accepted, rejected, notSent, unknown, cancelled },
    ...(stored.delivery && { delivery: stored.delivery }),
    ...(stored.rejections && { rejections: stored.rejections }),
    ...(stored.looks && { looks: stored.looks }),
    ...(state.status === 'running' && stored.estimatedEndAt !== undefined && { estimatedEndAt: stored.estimatedEndAt }),
    ...(state.status === 'running' && stored.batchSize !== undefined && { batchSize: stored.batchSize }),
    createdAt,
    updatedAt,
    ...(finishedAt !== undefined && { finishedAt }),
  };
}

/** A running broadcast that is held is shown as paused, by the service or an operator. */
function stateOf(
  { caller, connectionId, status, counts, pausedBy, pauseReason }: KnownBroadcast,
  holds: Holds | undefined,
): Pick<Broadcast, 'status' | 'pausedBy' | 'pauseReason'> {
  if (status === 'paused') {
    return { status, pausedBy: pausedBy ?? 'caller', ...(pauseReason !== undefined && { pauseReason }) };
  }
  if (status === 'recording' || status === 'cancelled' || status === 'done' || status === 'scheduled')
    return { status };
  const waits = counts.queued > 0;
  const hold = waits ? holds?.reasonFor({ caller, connection: connectionId, scope: 'broadcasts:send' }) : undefined;
  if (!hold) return { status: 'running' };
  return {
    status: 'paused',
    pausedBy: hold.code === 'sending-stopped' ? 'operator' : 'service',
    pauseReason: hold.detail,
  };
}
