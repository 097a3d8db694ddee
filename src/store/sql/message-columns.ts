export const COLUMNS = `seq, id, caller, kind, recipient, connection_id, template, local_message_id, whatsapp_message_id,
  idem_route, idem_key, content_mac, fingerprint, broadcast_id, resend_of, status, attempts, failure_code, failure_detail,
  verdict_json, sent_at, created_at, updated_at, call_json, file_name, channel, reference, send_at, not_after`;

/** The status of a tombstone (src/store/sql/in-doubt.ts), as it is stored. No message has it. */
export const TOMBSTONE = 'withdrawn';

/** The condition that the broadcast of a recipient is in one of these states. */
export const broadcastIsIn = (states: string): string =>
  `EXISTS (SELECT 1 FROM broadcasts WHERE broadcasts.id = sends.broadcast_id AND broadcasts.status IN (${states}))`;

/**
 * The condition that a resend (`later`) counts. A resend of a broadcast whose recording failed does not, although its rows, and
 * their entries in the index of resends, are deleted only piece by piece.
 */
export const isResend = (later: string): string => `NOT EXISTS (SELECT 1 FROM broadcasts
    WHERE broadcasts.id = ${later}.broadcast_id AND broadcasts.status = 'discarded')`;

/** The public status: `staged` is internal (src/store/sql/broadcast-schema.ts). */
export const SHOWN_STATUS = `CASE WHEN sends.status <> 'staged' THEN sends.status
  WHEN ${broadcastIsIn("'cancelled'")} THEN 'cancelled' ELSE 'queued' END`;

/** The columns with the public status. */
export const VISIBLE_COLUMNS = COLUMNS.split(',')
  .map((column) => (column.trim() === 'status' ? `${SHOWN_STATUS} AS status` : `sends.${column.trim()}`))
  .join(', ');
