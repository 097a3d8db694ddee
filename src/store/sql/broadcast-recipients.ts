import type { BroadcastRecipients, ReportedRecipient } from '../broadcast-store.ts';
import { toShownDelivery } from './delivery-row.ts';
import { type Engine, type Row, statement } from './engine.ts';
import { VISIBLE_STATUS } from './message-columns.ts';
import { integer, isoTime, optional, required, toStatus } from './row-mapping.ts';
import { DELIVERED } from './tracking-columns.ts';

const REPORTED = `seq, id, recipient, ${VISIBLE_STATUS}, failure_code, failure_detail, resend_of, sent_at, updated_at`;

/** In the order in which they were recorded. A recipient keeps its number when it is claimed, so a page has each once. */
const part = (condition: string, name: string): string => `
  SELECT * FROM (SELECT ${REPORTED} FROM sends WHERE broadcast_id = :id AND ${condition} AND seq > :after
    ORDER BY seq LIMIT :limit) AS ${name}`;

export const recipientReads = {
  report: statement(`
    SELECT page.*, ${DELIVERED} FROM (
      SELECT * FROM (
        ${part("broadcast_id IS NOT NULL AND status <> 'staged'", 'claimed')}
        UNION ALL ${part("status = 'staged'", 'waiting')}
      ) AS found ORDER BY seq LIMIT :limit
    ) AS page LEFT JOIN deliveries ON deliveries.send_seq = page.seq ORDER BY page.seq`),
};

export function broadcastRecipients(engine: Engine): BroadcastRecipients {
  return {
    async listRecipients(id, { after, limit }) {
      const rows = await engine.list({ statement: recipientReads.report, values: { id, after, limit } });
      const last = rows.at(-1);
      return {
        recipients: rows.map(toRecipient),
        ...(last !== undefined && rows.length === limit && { next: integer(last, 'seq') }),
      };
    },
  };
}

function toRecipient(row: Row): ReportedRecipient {
  const to = optional(row, 'recipient');
  const code = optional(row, 'failure_code');
  const resendOf = optional(row, 'resend_of');
  const delivery = toShownDelivery(row);
  return {
    id: required(row, 'id'),
    ...(to !== undefined && { to }),
    status: toStatus(row),
    ...(code !== undefined && { failure: { code, detail: required(row, 'failure_detail') } }),
    ...(resendOf !== undefined && { resendOf }),
    ...(delivery && { delivery }),
    ...(row.sent_at !== null && { sentAt: isoTime(integer(row, 'sent_at')) }),
    updatedAt: isoTime(integer(row, 'updated_at')),
  };
}
