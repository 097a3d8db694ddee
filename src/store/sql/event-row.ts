import type { NewFact, PendingFact, StoredEvent } from '../event-store.ts';
import { toShownMessage } from './delivery-row.ts';
import type { Row, Value } from './engine.ts';
import { integer, optional, parsed, required, toSqlJson, toSqlText } from './row-mapping.ts';

/** Columns of `event_facts` beside those of `sends`, whose names some of them have. */
export const FACT_COLUMNS = [
  ...['seq', 'caller', 'connection_id', 'type', 'fact', 'at', 'contact', 'send_seq', 'broadcast_id'],
  ...['change_from', 'change_to', 'implied', 'status', 'verdict_json', 'detail_json'],
]
  .map((column) => `event_facts.${column} AS fact_${column}`)
  .join(', ');

export function toPendingFact(row: Row): PendingFact {
  const [contact, broadcastId] = [optional(row, 'fact_contact'), optional(row, 'fact_broadcast_id')];
  const [from, to] = [optional(row, 'fact_change_from'), optional(row, 'fact_change_to')];
  const status = optional(row, 'fact_status');
  const [verdict, detail] = [parsed(row, 'fact_verdict_json'), parsed(row, 'fact_detail_json')];
  return {
    seq: integer(row, 'fact_seq'),
    caller: required(row, 'fact_caller'),
    connectionId: required(row, 'fact_connection_id'),
    type: required(row, 'fact_type'),
    fact: required(row, 'fact_fact'),
    at: integer(row, 'fact_at'),
    ...(contact !== undefined && { contact }),
    ...(row.fact_send_seq !== null && { sendSeq: integer(row, 'fact_send_seq') }),
    ...(detail !== undefined && { detail }),
    ...(row.id !== null && { message: toShownMessage(row) }),
    ...(to !== undefined && {
      change: { ...(from !== undefined && { from }), to, ...(row.fact_implied !== null && { implied: true }) },
    }),
    ...(status !== undefined && { outcome: { status, ...(verdict !== undefined && { verdict }) } }),
    ...(broadcastId !== undefined && { broadcastId }),
  };
}

export function toEvent(row: Row): StoredEvent {
  const contact = optional(row, 'contact');
  return {
    seq: integer(row, 'seq'),
    id: required(row, 'id'),
    caller: required(row, 'caller'),
    connectionId: required(row, 'connection_id'),
    type: required(row, 'type'),
    fact: required(row, 'fact'),
    at: integer(row, 'at'),
    ...(contact !== undefined && { contact }),
    data: required(row, 'data'),
  };
}

export const factValues = (fact: NewFact, place: number): Record<string, Value> => ({
  place,
  caller: toSqlText(fact.caller),
  connection: toSqlText(fact.connectionId),
  type: toSqlText(fact.type),
  fact: toSqlText(fact.fact),
  at: fact.at,
  contact: toSqlText(fact.contact),
  send_seq: fact.sendSeq ?? null,
  detail: toSqlJson(fact.detail),
});
