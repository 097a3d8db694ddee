import { type recordedChannel, scheduleOf } from '../delivery/new-message.ts';
import type { TemplatePost } from '../schemas/message-posts.ts';
import type { NewBroadcast } from '../store/broadcast-store.ts';
import type { NewMessage } from '../store/message-store.ts';
import type { BroadcastDraft, BroadcastRecipient, BroadcastRequester } from './types.ts';

export interface RecordFields {
  newId: () => string;
  /** Id of the broadcast. */
  id: string;
  caller: string;
  routing: ReturnType<typeof recordedChannel>;
}

/** Stores a recipient like a template message, so that it is sent, reconciled and resent like one. */
export function toRecord(
  { newId, id: broadcastId, caller, routing }: RecordFields,
  { template, broadcastName, connection, asked }: BroadcastDraft,
  { to, reference, resendOf, parameters }: BroadcastRecipient,
): NewMessage {
  const body: TemplatePost = {
    to,
    template,
    ...(parameters && { parameters }),
    broadcastName,
    ...(asked !== undefined && { channel: asked }),
  };
  const id = newId();
  return {
    id,
    caller,
    kind: 'template',
    to,
    connectionId: connection,
    template,
    localMessageId: id,
    content: { kind: 'template', body },
    broadcastId,
    ...(reference !== undefined && { reference }),
    ...(resendOf !== undefined && { resendOf }),
    ...routing,
  };
}

/** Returns a broadcast in the form in which it is recorded. */
export function toNewBroadcast(
  { id, routing }: Pick<RecordFields, 'id' | 'routing'>,
  requester: BroadcastRequester,
  draft: BroadcastDraft,
): NewBroadcast {
  const { caller, route, key, reference } = requester;
  const { template, broadcastName, connection, perMinute, resendOf, shownEarly } = draft;
  return {
    id,
    caller,
    template,
    name: broadcastName,
    connectionId: connection,
    idempotency: { route, key },
    ...scheduleOf(requester),
    ...(routing.channel !== undefined && { channel: routing.channel }),
    ...(reference !== undefined && { reference }),
    ...(perMinute !== undefined && { perMinute }),
    ...(resendOf !== undefined && { resendOf }),
    ...(shownEarly && { shownEarly }),
  };
}
