/** The columns of `deliveries`, renamed, because some have the names of columns of `sends`. */
export const DELIVERED = [
  ...['rank', 'sent_at', 'failed_at', 'delivered_at', 'read_at', 'replied_at'],
  ...['failure_code', 'failure_detail', 'wati_id', 'source', 'updated_at'],
]
  .map((column) => `deliveries.${column} AS delivery_${column}`)
  .join(', ');

/** The join that follows `FROM sends`. */
export const WITH_DELIVERY = 'LEFT JOIN deliveries ON deliveries.send_seq = sends.seq';
