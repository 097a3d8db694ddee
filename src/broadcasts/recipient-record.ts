import type { recordedChannel } from '../delivery/new-message.ts';
import { toJson } from '../delivery/outcome.ts';
import type { TemplatePost } from '../schemas/message-posts.ts';
import type { NewMessage } from '../store/message-store.ts';
import type { BroadcastDraft, BroadcastRecipient } from './types.ts';

export interface RecordFields {
  newId: () => string;
  /** Id of the broadcast. */
  id: string;
  caller: string;
  routing: ReturnType<typeof recordedChannel>;
}

/** The content of a recipient, stored like that of a template message, so that it is sent, reconciled and resent like any other. */
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
    content: toJson({ kind: 'template', body }),
    broadcastId,
    ...(reference !== undefined && { reference }),
    ...(resendOf !== undefined && { resendOf }),
    ...routing,
  };
}
