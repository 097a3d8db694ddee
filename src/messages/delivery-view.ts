import { isoTimes } from '../lib/iso-times.ts';
import type { Message } from '../schemas/message.ts';
import type { StoredMessage } from '../store/message-store.ts';
import { deliveryStatus } from '../tracking/delivery-state.ts';
import { failureKind } from '../tracking/failure-kind.ts';

/** The delivery of a message after it was accepted; empty for a message that was not sent, which has only its outcome. */
export function toDelivery({ status: outcome, delivery }: StoredMessage): {
  delivery?: NonNullable<Message['delivery']>;
} {
  if (!delivery || endedUnsent.has(outcome)) return {};
  const status = deliveryStatus(delivery.rank);
  if (status === undefined) return {};
  const { sentAt, deliveredAt, readAt, repliedAt, failedAt, failure, source, updatedAt } = delivery;
  const times = { sentAt, deliveredAt, readAt, repliedAt, failedAt };
  return {
    delivery: {
      status,
      ...isoTimes(times),
      ...(failure && { failure: { ...failure, kind: failureKind(failure.code) } }),
      source,
      updatedAt: new Date(updatedAt).toISOString(),
    },
  };
}

const endedUnsent: ReadonlySet<StoredMessage['status']> = new Set(['rejected', 'not_sent', 'cancelled']);
