import { storedOutcome } from '../delivery/outcome.ts';
import { type Holds, sendingQuestionOf } from '../holds/holds.ts';
import type { Message } from '../schemas/message.ts';
import type { StoredMessage } from '../store/message-store.ts';
import { toDelivery } from './delivery-view.ts';

/** A record as its caller sees it, without the message content. */
export function toMessage(stored: StoredMessage, holds?: Holds): Message {
  const { id, kind, to, connectionId, status, localMessageId, whatsappMessageId, template, failure, attempts } = stored;
  const { sendAt, notAfter, fileName, reference, idempotency, broadcastId, resendOf, channel, createdAt, updatedAt } =
    stored;
  const outcome = storedOutcome(stored);
  return {
    id,
    kind,
    ...(to !== undefined && { to }),
    connectionId,
    status,
    ...(localMessageId !== undefined && { localMessageId }),
    ...(whatsappMessageId !== undefined && { whatsappMessageId }),
    ...(template !== undefined && { template }),
    ...(fileName !== undefined && { fileName }),
    ...(channel !== undefined && { channel }),
    ...(reference !== undefined && { reference }),
    ...(idempotency && { idempotencyKey: idempotency.key }),
    ...(failure && { failure }),
    ...(outcome?.outcome === 'accepted' && outcome.evidence !== 'answer' && { evidence: outcome.evidence }),
    ...toDelivery(stored),
    attempts,
    ...(sendAt !== undefined && { sendAt }),
    ...(notAfter !== undefined && { notAfter }),
    ...holdOf(stored, holds),
    ...(broadcastId !== undefined && { broadcastId }),
    ...(resendOf !== undefined && { resendOf }),
    createdAt,
    updatedAt,
  };
}

/** Why one that is queued does not go out now. */
function holdOf(stored: StoredMessage, holds: Holds | undefined) {
  if (stored.status !== 'queued' || !holds) return {};
  const hold = holds.reasonFor(sendingQuestionOf(stored));
  return hold && { hold: { code: hold.code, detail: hold.detail } };
}
