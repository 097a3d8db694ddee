import type { DeliveryFilter, DeliveryRank } from '../delivery-facts.ts';
import type { MessageFilter } from '../message-store.ts';
import type { ScanTable } from './engine.ts';

interface DeliveryScan {
  of: ScanTable;
  index: string;
  equal: Readonly<Record<string, string>>;
  within: readonly string[];
  /** True if the index contains only rows of the caller. */
  ofCaller: boolean;
  fulfils: readonly (keyof MessageFilter)[];
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

/** Returns the indexes that find messages by this state of delivery. No index contains messages without a known delivery. */
export function scanDelivered({ delivery, broadcastId }: MessageFilter): DeliveryScan[] {
  if (delivery === undefined || delivery === 'none') return [];
  const of: ScanTable = 'deliveries';
  const ofCaller = { of, ofCaller: true, fulfils: ['delivery'] } as const;
  if (delivery === 'replied') {
    const equal = { caller: ':caller' };
    return [{ ...ofCaller, index: 'deliveries_replied', equal, within: ['replied_at IS NOT NULL'] }];
  }
  const rank = String(RANKS[delivery]);
  if (broadcastId === undefined) {
    return [{ ...ofCaller, index: 'deliveries_rank', equal: { caller: ':caller', rank }, within: [] }];
  }
  const equal = { broadcast_id: ':broadcastId', rank };
  const within = ['broadcast_id IS NOT NULL'];
  return [{ of, index: 'deliveries_broadcast', equal, within, ofCaller: false, fulfils: ['delivery', 'broadcastId'] }];
}
