import type { Message } from '../src/schemas/message.ts';
import type { StoredMessage } from '../src/store/message-store.ts';
import { deliveryStatus } from '../src/tracking/delivery-state.ts';
import { failureKind } from '../src/tracking/failure-kind.ts';

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

/** Milliseconds as ISO 8601; undefined values are left out. */
export function isoTimes<Name extends string>(times: Record<Name, number | undefined>) {
  const known = Object.entries<number | undefined>(times).flatMap(([name, at]) =>
    at === undefined ? [] : [[name, new Date(at).toISOString()]],
  );
  return Object.fromEntries(known) as { [Key in Name]?: string };
}
