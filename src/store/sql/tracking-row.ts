import { StoreError } from '../errors.ts';
import type { MessageStatus } from '../message-store.ts';
import type { FoundBy, TrackedSend } from '../tracking-store.ts';
import { toDelivery } from './delivery-row.ts';
import type { Row } from './engine.ts';
import { integer, isKind, isStatus, optional, required } from './row-mapping.ts';

const FOUND_BY: Readonly<Record<FoundBy, true>> = {
  'local-id': true,
  'whatsapp-id': true,
  'wati-id': true,
  content: true,
};
const isFoundBy = (word: string): word is FoundBy => Object.hasOwn(FOUND_BY, word);

export function toTrackedSend(row: Row): TrackedSend {
  const { kind } = row;
  const foundBy = required(row, 'found_by');
  if (!isKind(kind) || !isFoundBy(foundBy)) throw new StoreError(`the store found a send of ${kind} by ${foundBy}`);
  const [to, template, broadcastId] = ['recipient', 'template', 'broadcast_id'].map((column) => optional(row, column));
  const whatsappMessageId = optional(row, 'whatsapp_message_id');
  const delivery = toDelivery(row);
  return {
    seq: integer(row, 'seq'),
    id: required(row, 'id'),
    caller: required(row, 'caller'),
    status: statusOf(row),
    kind,
    ...(to !== undefined && { to }),
    ...(template !== undefined && { template }),
    ...(broadcastId !== undefined && { broadcastId }),
    ...(whatsappMessageId !== undefined && { whatsappMessageId }),
    ...(row.sent_at !== null && { sentAt: integer(row, 'sent_at') }),
    foundBy,
    ...(delivery && { delivery }),
  };
}

/** A recipient of a broadcast that waits to be claimed again is `queued` to its caller. */
export function statusOf(row: Row): MessageStatus {
  const status = row.status === 'staged' || row.status === 'scheduled' ? 'queued' : row.status;
  if (!isStatus(status)) throw new StoreError(`the store holds a send that is ${row.status}`);
  return status;
}
