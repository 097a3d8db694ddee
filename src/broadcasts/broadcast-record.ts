import { type recordedChannel, scheduleOf } from '../delivery/new-message.ts';
import type { NewBroadcast } from '../store/broadcast-store.ts';
import type { BroadcastDraft, BroadcastRequester } from './types.ts';

/** A broadcast, ready to be recorded. */
export function broadcastRecord(
  id: string,
  requester: BroadcastRequester,
  { draft, routing }: { draft: BroadcastDraft; routing: ReturnType<typeof recordedChannel> },
): NewBroadcast {
  const { caller, route, key, reference } = requester;
  const { template, broadcastName: name, connection: connectionId, perMinute, resendOf, shownEarly } = draft;
  return {
    id,
    caller,
    template,
    name,
    connectionId,
    idempotency: { route, key },
    ...scheduleOf(requester),
    ...(routing.channel !== undefined && { channel: routing.channel }),
    ...(reference !== undefined && { reference }),
    ...(perMinute !== undefined && { perMinute }),
    ...(resendOf !== undefined && { resendOf }),
    ...(shownEarly && { shownEarly }),
  };
}
