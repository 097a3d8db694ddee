/** Beside the columns of `sends`, whose names some of them have. */
export const DELIVERED = [
  ...['rank', 'sent_at', 'failed_at', 'delivered_at', 'read_at', 'replied_at'],
  ...['failure_code', 'failure_detail', 'wati_id', 'source', 'updated_at'],
]
  .map((column) => `deliveries.${column} AS delivery_${column}`)
  .join(', ');

/** Behind `FROM sends`. */
export const WITH_DELIVERY = 'LEFT JOIN deliveries ON deliveries.send_seq = sends.seq';
