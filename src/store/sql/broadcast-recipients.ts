import type { BroadcastRecipients, ReportedRecipient } from '../broadcast-store.ts';
import { FAILED } from './broadcast-schema.ts';
import { toShownDelivery } from './delivery-row.ts';
import { type Dialect, type Engine, type Row, statement } from './engine.ts';
import { COLUMNS, isResend, SHOWN_STATUS } from './message-columns.ts';
import { integer, isoTime, optional, required, toMessage, toStatus } from './row-mapping.ts';
import { DELIVERED, WITH_DELIVERY } from './tracking-columns.ts';

const REPORTED = `seq, id, recipient, ${SHOWN_STATUS} AS status, failure_code, failure_detail, reference, resend_of,
  sent_at, updated_at`;

/** Reads in the order of recording. A recipient keeps its number when it is claimed, so no page repeats or misses one. */
const part = (condition: string, name: string): string => `
  SELECT * FROM (SELECT ${REPORTED} FROM sends WHERE broadcast_id = :id AND ${condition} AND seq > :after
    ORDER BY seq LIMIT :limit) AS ${name}`;

export const recipientReads = (dialect: Pick<Dialect, 'inputRows'>) => ({
  report: statement(`
    SELECT page.*, ${DELIVERED} FROM (
      SELECT * FROM (
        ${part("broadcast_id IS NOT NULL AND status <> 'staged'", 'claimed')}
        UNION ALL ${part("status = 'staged'", 'waiting')}
      ) AS found ORDER BY seq LIMIT :limit
    ) AS page LEFT JOIN deliveries ON deliveries.send_seq = page.seq ORDER BY page.seq`),
  // Reads by the index and filters afterwards, so that one page does not skip over a million rows.
  resendable: statement(`
    SELECT ${COLUMNS}, EXISTS (SELECT 1 FROM sends AS later
      WHERE later.caller = sends.caller AND later.resend_of = sends.id AND ${isResend('later')}) AS is_resent
    FROM sends WHERE broadcast_id = :id AND status = :status AND seq > :after AND broadcast_id IS NOT NULL AND ${FAILED}
    ORDER BY seq LIMIT :limit`),
  // 131050 is Meta's code for an opt-out.
  countOptedOut: statement(`
    SELECT COUNT(*) AS n FROM ${dialect.inputRows({ recipient: 'TEXT' })}
    WHERE (SELECT CASE WHEN sends.status = 'accepted' THEN deliveries.failure_code ELSE sends.failure_code END
      FROM sends ${WITH_DELIVERY}
      WHERE sends.caller = :caller AND sends.recipient = given.recipient AND sends.status IN ('accepted', 'rejected')
      ORDER BY sends.seq DESC LIMIT 1) IN ('opted-out', '131050')`),
});

export function broadcastRecipients(engine: Engine, dialect: Dialect): BroadcastRecipients {
  const sql = recipientReads(dialect);
  return {
    async listRecipients(id, { after, limit }) {
      const rows = await engine.list({ statement: sql.report, values: { id, after, limit } });
      const last = rows.at(-1);
      return {
        recipients: rows.map(toRecipient),
        ...(last !== undefined && rows.length === limit && { next: integer(last, 'seq') }),
      };
    },

    async listResendable(id, status, { after, limit }) {
      const rows = await engine.list({ statement: sql.resendable, values: { id, status, after, limit } });
      const last = rows.at(-1);
      // SQLite has no booleans.
      const chosen = rows.filter((row) => row.call_json !== null && !row.is_resent);
      return {
        messages: chosen.map(toMessage),
        ...(last !== undefined && rows.length === limit && { next: integer(last, 'seq') }),
      };
    },

    async countOptedOut(caller, numbers) {
      const rows = JSON.stringify(numbers.map((recipient) => ({ recipient })));
      const [row] = await engine.list({ statement: sql.countOptedOut, values: { caller, rows } });
      return row === undefined ? 0 : integer(row, 'n');
    },
  };
}

function toRecipient(row: Row): ReportedRecipient {
  const to = optional(row, 'recipient');
  const code = optional(row, 'failure_code');
  const reference = optional(row, 'reference');
  const resendOf = optional(row, 'resend_of');
  const delivery = toShownDelivery(row);
  return {
    id: required(row, 'id'),
    ...(to !== undefined && { to }),
    status: toStatus(row),
    ...(code !== undefined && { failure: { code, detail: required(row, 'failure_detail') } }),
    ...(reference !== undefined && { reference }),
    ...(resendOf !== undefined && { resendOf }),
    ...(delivery && { delivery }),
    ...(row.sent_at !== null && { sentAt: isoTime(integer(row, 'sent_at')) }),
    updatedAt: isoTime(integer(row, 'updated_at')),
  };
}
