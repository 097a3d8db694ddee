import { Problem } from '../problem.ts';
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
  const message = {
    ...messageFields({ id, kind: content.kind }, requester, routing),
    to: digits(content.body.to),
    content: toJson(content),
    fingerprint: contentFingerprint(context.connection, content),
  };
  if (content.kind === 'template') message.template = content.body.template;
  // The same id at WATI, so that its webhooks and histories lead to the message by primary key.
  if (supportsClientId(content)) message.localMessageId = id;
  if (resendOf !== undefined) message.resendOf = resendOf;
  return message;
}

/** The fields that every new message has. */
export function messageFields(
  { id, kind }: { id: string; kind: MessageKind },
  { caller, route, key, reference, quota, sendAt, notAfter }: Requester,
  routing: Routing,
): NewMessage {
  // Assigned one by one, because a spread of what is mostly absent takes longer.
  const message: NewMessage = { ...routing, id, caller, kind };
  if (key !== undefined) message.idempotency = { route, key };
  if (reference !== undefined) message.reference = reference;
  if (sendAt !== undefined) message.sendAt = sendAt;
  if (notAfter !== undefined) message.notAfter = notAfter;
  if (quota) message.quota = quota;
  return message;
}

export const scheduleOf = ({ sendAt, notAfter }: Schedule): Schedule => ({
  ...(sendAt !== undefined && { sendAt }),
  ...(notAfter !== undefined && { notAfter }),
});

/**
 * What a resend has of its original beside the content: its reference, and its `notAfter` unless the request names another. Throws
 * `message-expired` if the original's has passed, because without a limit the resend could go out at any later time.
 */
export function keptInResend(
  { reference, notAfter }: Pick<StoredMessage, 'reference' | 'notAfter'>,
  asked: Schedule,
  now: number,
): Pick<NewMessage, 'reference' | 'notAfter'> {
  const last = asked.notAfter ?? notAfter;
  if (asked.notAfter === undefined && last !== undefined && Date.parse(last) <= now) {
    const detail = `its \`notAfter\` (${last}) has passed: if it is still worth sending, name a new \`notAfter\`; nothing was sent`;
    throw new Problem('message-expired', detail);
  }
  return { ...(reference !== undefined && { reference }), ...(last !== undefined && { notAfter: last }) };
}

/** The channel as it is recorded. `channelNamed` is set only if the request named another one than the default. */
export function recordedChannel(
  channel: string | undefined,
  byDefault: string | undefined,
): Pick<NewMessage, 'channel' | 'channelNamed'> {
  if (channel === undefined) return {};
  return { channel, ...(channel !== byDefault && { channelNamed: true }) };
}
