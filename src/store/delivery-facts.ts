/** What became of a message after it was accepted. Times are wall clock, ms. */

/** none, sent, failed, delivered, read. It never falls. */
export type DeliveryRank = 0 | 1 | 2 | 3 | 4;

/** What is known of one message. The join of two of these is one again: the highest rank, the earliest of each time. */
export interface DeliveryFacts {
  rank: DeliveryRank;
  sentAt?: number;
  failedAt?: number;
  deliveredAt?: number;
  readAt?: number;
  repliedAt?: number;
  /** Kept while the rank is that of a failure; of several, the earliest. */
  failure?: { code: string; detail: string };
  /** Ids that came with it; the first that is known of a message stays. */
  watiId?: string;
  whatsappMessageId?: string;
  source: 'webhook' | 'poll';
}

/** The same as it is kept. */
export interface StoredDelivery extends DeliveryFacts {
  /** When something of it last changed. */
  updatedAt: number;
}

/** What a list of messages can ask for. */
export type DeliveryFilter = 'none' | 'sent' | 'delivered' | 'read' | 'failed' | 'replied';
