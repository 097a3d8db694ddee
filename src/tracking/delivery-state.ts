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
    // Without a failure of its own, the join could not tell which failure was the earliest.
    ...(fact === 'failed' && { failure: failure ?? unexplained }),
    source,
  };
}

/** A failure whose report names no cause. */
export const unexplained: DeliveryFailure = { code: 'unknown', detail: '' };

const timeNames = {
  sent: 'sentAt',
  failed: 'failedAt',
  delivered: 'deliveredAt',
  read: 'readAt',
  replied: 'repliedAt',
} as const satisfies Record<StatusFact, keyof DeliveryFacts>;

/**
 * Joins two states: highest rank, earliest times, least ids. `joining` in src/store/sql/tracking-statements.ts is the same in
 * SQL: change both. test/store/conformance-tracking.ts holds them to each other.
 */
export function joinFacts(one: DeliveryFacts, other: DeliveryFacts): DeliveryFacts {
  const [low, high] = one.rank <= other.rank ? [one, other] : [other, one];
  const joined: DeliveryFacts = { rank: high.rank, source: sourceOf(low, high) };
  for (const name of Object.values(timeNames)) {
    const at = least(one[name], other[name]);
    if (at !== undefined) joined[name] = at;
  }
  for (const name of ['watiId', 'whatsappMessageId'] as const) {
    const id = leastText(one[name], other[name]);
    if (id !== undefined) joined[name] = id;
  }
  const failure = high.rank === 2 ? failureOf(low, high) : undefined;
  if (failure) joined.failure = failure;
  return joined;
}

function least(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}

function leastText(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return compareBytes(one, other) <= 0 ? one : other;
}

/** Order by the bytes of UTF-8, as both databases compare: JavaScript compares UTF-16, in which some characters sort otherwise. */
const compareBytes = (one: string, other: string): number => Buffer.compare(Buffer.from(one), Buffer.from(other));

/** What reported the rank. If a webhook and a poll report the same one, the webhook counts. */
const sourceOf = (low: DeliveryFacts, high: DeliveryFacts): DeliverySource =>
  low.rank === high.rank && low.source === 'webhook' ? 'webhook' : high.source;

/** The earliest failure that was reported; of two at the same moment the one with the lesser code, then with the lesser detail. */
function failureOf(low: DeliveryFacts, high: DeliveryFacts): DeliveryFailure | undefined {
  if (low.rank < high.rank) return high.failure;
  return [low, high]
    .filter(({ failure }) => failure !== undefined)
    .toSorted((a, b) => (a.failedAt ?? 0) - (b.failedAt ?? 0) || compareFailures(a.failure, b.failure))[0]?.failure;
}

const compareFailures = (one = unexplained, other = unexplained): number =>
  compareBytes(one.code, other.code) || compareBytes(one.detail, other.detail);

export type DeliveryStatus = 'sent' | 'failed' | 'delivered' | 'read';

const statuses: readonly (DeliveryStatus | undefined)[] = [undefined, 'sent', 'failed', 'delivered', 'read'];

/** Undefined: no event has changed the state of the message yet. */
export const deliveryStatus = (rank: DeliveryRank): DeliveryStatus | undefined => statuses[rank];
