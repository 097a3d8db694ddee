import type { DeliveryFacts, DeliveryRank } from '../store/delivery-facts.ts';
import type { DeliveryFailure, DeliverySource, StatusFact } from './types.ts';

/**
 * The delivery state of a message is the join of all facts about it. The join is commutative, associative and idempotent, so
 * the order, number and lateness of webhooks make no difference, and a state only moves forward.
 */

const rankOf: Readonly<Record<StatusFact, DeliveryRank>> = { sent: 1, failed: 2, delivered: 3, read: 4, replied: 3 };

/** A message that was read or answered was delivered, too: WhatsApp then does not report `delivered`. */
export function factsOf(
  { fact, failure }: { fact: StatusFact; failure?: DeliveryFailure },
  at: number,
  source: DeliverySource,
): DeliveryFacts {
  const rank = rankOf[fact];
  return {
    rank,
    [timeNames[fact]]: at,
    ...(rank >= 3 && { deliveredAt: at }),
    ...(fact === 'failed' && failure && { failure }),
    source,
  };
}

const timeNames = {
  sent: 'sentAt',
  failed: 'failedAt',
  delivered: 'deliveredAt',
  read: 'readAt',
  replied: 'repliedAt',
} as const satisfies Record<StatusFact, keyof DeliveryFacts>;

/** Joins two states: highest rank, earliest times. `JOINED` in src/store/sql/tracking-statements.ts is the same in SQL: change both. */
export function joinFacts(one: DeliveryFacts, other: DeliveryFacts): DeliveryFacts {
  const [low, high] = one.rank <= other.rank ? [one, other] : [other, one];
  const joined: DeliveryFacts = { rank: high.rank, source: sourceOf(low, high) };
  for (const name of Object.values(timeNames)) {
    const at = least(one[name], other[name]);
    if (at !== undefined) joined[name] = at;
  }
  for (const name of ['watiId', 'whatsappMessageId'] as const) {
    const id = least(one[name], other[name]);
    if (id !== undefined) joined[name] = id;
  }
  const failure = high.rank === 2 ? failureOf(low, high) : undefined;
  if (failure) joined.failure = failure;
  return joined;
}

function least<Value extends number | string>(one: Value | undefined, other: Value | undefined): Value | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one <= other ? one : other;
}

/** What reported the rank. If a webhook and a poll report the same one, the webhook counts. */
const sourceOf = (low: DeliveryFacts, high: DeliveryFacts): DeliverySource =>
  low.rank === high.rank && low.source === 'webhook' ? 'webhook' : high.source;

/** The earliest failure that was reported. Of two at the same moment the one whose words sort first counts, so that all replicas agree. */
function failureOf(low: DeliveryFacts, high: DeliveryFacts): DeliveryFailure | undefined {
  if (low.rank < high.rank) return high.failure;
  return [low, high]
    .filter(({ failure }) => failure !== undefined)
    .toSorted((a, b) => (a.failedAt ?? 0) - (b.failedAt ?? 0) || (asText(a) < asText(b) ? -1 : 1))[0]?.failure;
}

const asText = ({ failure }: DeliveryFacts): string => `${failure?.code}\n${failure?.detail}`;

export type DeliveryStatus = 'sent' | 'failed' | 'delivered' | 'read';

const statuses: readonly (DeliveryStatus | undefined)[] = [undefined, 'sent', 'failed', 'delivered', 'read'];

/** Undefined: no event has changed the state of the message yet. */
export const deliveryStatus = (rank: DeliveryRank): DeliveryStatus | undefined => statuses[rank];
