import type { DeliveryFilter, DeliveryRank } from '../delivery-facts.ts';
import type { MessageFilter } from '../message-store.ts';
import type { ScanTable } from './engine.ts';

interface DeliveryScan {
  of: ScanTable;
  index: string;
  equal: Readonly<Record<string, string>>;
  within: readonly string[];
}

const RANKS: Readonly<Record<Exclude<DeliveryFilter, 'none' | 'replied'>, DeliveryRank>> = {
  sent: 1,
  failed: 2,
  delivered: 3,
  read: 4,
};

/** The condition on rows of `sends` that another index finds. */
export function deliveryIs(filter: DeliveryFilter): string {
  const known = (which: string) =>
    `EXISTS (SELECT 1 FROM deliveries WHERE deliveries.send_seq = sends.seq AND ${which})`;
  if (filter === 'none') {
    return `sends.status || '' = 'accepted' AND NOT ${known('(deliveries.rank > 0 OR deliveries.replied_at IS NOT NULL)')}`;
  }
  return known(filter === 'replied' ? 'deliveries.replied_at IS NOT NULL' : `deliveries.rank = ${RANKS[filter]}`);
}

/** Messages in this state by an index of deliveries; undefined: no index narrows them down. */
export function messagesDelivered({ delivery, to, broadcastId }: MessageFilter): DeliveryScan | undefined {
  if (delivery === undefined || delivery === 'none' || to !== undefined) return undefined;
  const of: ScanTable = 'deliveries';
  if (delivery === 'replied') {
    return { of, index: 'deliveries_replied', equal: { caller: ':caller' }, within: ['replied_at IS NOT NULL'] };
  }
  const rank = String(RANKS[delivery]);
  if (broadcastId === undefined)
    return { of, index: 'deliveries_rank', equal: { caller: ':caller', rank }, within: [] };
  const equal = { broadcast_id: ':broadcastId', rank };
  return { of, index: 'deliveries_broadcast', equal, within: ['broadcast_id IS NOT NULL'] };
}
