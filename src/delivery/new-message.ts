import { digits } from '../schemas/common.ts';
import type { MessageKind, NewMessage, Schedule, StoredMessage } from '../store/message-store.ts';
import { toJson } from './outcome.ts';
import { contentFingerprint, supportsClientId } from './send-content.ts';
import type { Requester, SendRequest } from './types.ts';

/** The connection and the company number that a message is sent through. */
export type Routing = Pick<NewMessage, 'connectionId' | 'channel' | 'channelNamed'>;

/** A message with its content, ready to be inserted. */
export function newMessage(
  { requester, content, context }: SendRequest,
  { newId, routing, resendOf }: { newId: () => string; routing: Routing; resendOf: string | undefined },
): NewMessage & { fingerprint: string } {
  const id = newId();
  return {
    ...messageFields({ id, kind: content.kind }, requester, routing),
    to: digits(content.body.to),
    ...(content.kind === 'template' && { template: content.body.template }),
    // The same id at WATI, so that its webhooks and histories lead to the message by primary key.
    ...(supportsClientId(content) && { localMessageId: id }),
    content: toJson(content),
    fingerprint: contentFingerprint(context.connection, content),
    ...(resendOf !== undefined && { resendOf }),
  };
}

/** The fields that every new message has. */
export function messageFields(
  { id, kind }: { id: string; kind: MessageKind },
  { caller, route, key, reference, quota, ...asked }: Requester,
  routing: Routing,
): NewMessage {
  return {
    id,
    caller,
    kind,
    ...routing,
    ...(key !== undefined && { idempotency: { route, key } }),
    ...(reference !== undefined && { reference }),
    ...scheduleOf(asked),
    ...(quota && { quota }),
  };
}

export const scheduleOf = ({ sendAt, notAfter }: Schedule): Schedule => ({
  ...(sendAt !== undefined && { sendAt }),
  ...(notAfter !== undefined && { notAfter }),
});

/** What a resend has of its original beside the content. A `notAfter` that has passed does not hold for what is asked for after it. */
export const keptInResend = ({ reference, notAfter }: Pick<StoredMessage, 'reference' | 'notAfter'>, now: number) => ({
  ...(reference !== undefined && { reference }),
  ...(notAfter !== undefined && Date.parse(notAfter) > now && { notAfter }),
});

/** The channel as it is recorded. `channelNamed` is set only if the request named another one than the default. */
export function recordedChannel(
  channel: string | undefined,
  byDefault: string | undefined,
): Pick<NewMessage, 'channel' | 'channelNamed'> {
  if (channel === undefined) return {};
  return { channel, ...(channel !== byDefault && { channelNamed: true }) };
}
