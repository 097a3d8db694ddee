/** What became of a message after it was accepted. Times are wall clock, ms. */

/** none, sent, failed, delivered, read. It never decreases. */
export type DeliveryRank = 0 | 1 | 2 | 3 | 4;

/** What is known of the delivery of one message. Two of these join to a third: the highest rank, the earliest of each time, the least of each id. */
export interface DeliveryFacts {
  rank: DeliveryRank;
  sentAt?: number;
  failedAt?: number;
  deliveredAt?: number;
  readAt?: number;
  repliedAt?: number;
  /** Kept while the rank is that of a failure. Of several failures the earliest counts, and of two at once the lesser. */
  failure?: { code: string; detail: string };
  /** Ids that the events contained. WATI gives a message one of each; should there be several, the least by its bytes is kept. */
  watiId?: string;
  whatsappMessageId?: string;
  source: 'webhook' | 'poll';
}

/** The same facts as they are stored. */
export interface StoredDelivery extends DeliveryFacts {
  /** When one of them last changed. */
  updatedAt: number;
}

/** Delivery states by which messages can be listed. */
export type DeliveryFilter = 'none' | 'sent' | 'delivered' | 'read' | 'failed' | 'replied';
