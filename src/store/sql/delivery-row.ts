import type { DeliveryRank, StoredDelivery } from '../delivery-facts.ts';
import { StoreError } from '../errors.ts';
import type { StoredMessage } from '../message-store.ts';
import type { Row } from './engine.ts';
import { integer, optional, required, toMessage } from './row-mapping.ts';

const RANKS: readonly DeliveryRank[] = [0, 1, 2, 3, 4];

function rankOf(row: Row): DeliveryRank {
  const rank = RANKS[integer(row, 'delivery_rank')];
  if (rank === undefined) throw new StoreError(`the store holds a delivery of rank ${row.delivery_rank}`);
  return rank;
}

const timeOf = <Name extends string>(row: Row, column: string, name: Name) => {
  const value = row[`delivery_${column}`];
  return value === null || value === undefined ? {} : { [name]: Number(value) };
};

/** Reads the columns of `DELIVERED`; undefined: they are absent, or nothing is known of the delivery. */
export function toDelivery(row: Row): StoredDelivery | undefined {
  if (row.delivery_rank === null || row.delivery_rank === undefined) return undefined;
  const text = (column: string) => (row[column] === undefined ? undefined : optional(row, column));
  const code = text('delivery_failure_code');
  const watiId = text('delivery_wati_id');
  return {
    rank: rankOf(row),
    ...timeOf(row, 'sent_at', 'sentAt'),
    ...timeOf(row, 'failed_at', 'failedAt'),
    ...timeOf(row, 'delivered_at', 'deliveredAt'),
    ...timeOf(row, 'read_at', 'readAt'),
    ...timeOf(row, 'replied_at', 'repliedAt'),
    ...(code !== undefined && { failure: { code, detail: text('delivery_failure_detail') ?? '' } }),
    ...(watiId !== undefined && { watiId }),
    source: required(row, 'delivery_source') === 'poll' ? 'poll' : 'webhook',
    updatedAt: integer(row, 'delivery_updated_at'),
  };
}

/** Returns the delivery; undefined if nothing is known of it. */
export function toShownDelivery(row: Row): StoredDelivery | undefined {
  const delivery = toDelivery(row);
  return delivery && (delivery.rank > 0 || delivery.repliedAt !== undefined) ? delivery : undefined;
}

/** A message as its caller sees it, with what is known of its delivery. */
export function toShownMessage(row: Row): StoredMessage {
  const delivery = toShownDelivery(row);
  return { ...toMessage(row), ...(delivery && { delivery }) };
}
