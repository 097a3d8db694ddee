import type { MessageFilter, MessageStatus } from '../message-store.ts';
import { deliveryIs } from './delivery-scan.ts';
import { broadcastIsIn, SHOWN_STATUS } from './message-columns.ts';

/** Names of the filters of a list. */
export type Narrowing = keyof MessageFilter;

/** Conditions on rows that another index has found. Written as expressions, so that the planner does not use an index on them. */
const PLAIN: readonly (readonly [Narrowing, string])[] = [
  ['id', "sends.id || '' = :id"],
  ['idempotencyKey', "idem_key || '' = :idempotencyKey"],
  ['reference', "reference || '' = :reference"],
  ['to', "recipient || '' = :to"],
  ['broadcastId', "broadcast_id || '' = :broadcastId"],
  ['lostCall', "lost_call || '' = :lostCall"],
  ['template', "template || '' = :template"],
  ['since', 'created_at + 0 >= :since'],
  ['until', 'created_at + 0 < :until'],
];

export const OF_CALLER = "caller || '' = :caller";
export const NOT_STAGED = "status || '' <> 'staged'";
/** States of a broadcast in which its recipients are visible to the caller. */
const SEEN = "'scheduled', 'running', 'paused', 'cancelled'";

/** Returns the stored statuses that are shown as this one, except `staged`. */
export const storedAs = (status: MessageStatus): readonly string[] =>
  status === 'queued' ? ['queued', 'scheduled'] : [status];

/** Returns the conditions of a filter that the index does not already guarantee. */
export function conditionsOf(filter: MessageFilter, fulfilled: readonly Narrowing[]): string[] {
  const { status, delivery } = filter;
  const isOpen = (name: Narrowing) => filter[name] !== undefined && !fulfilled.includes(name);
  const found = PLAIN.flatMap(([name, condition]) => (isOpen(name) ? [condition] : []));
  if (status !== undefined && isOpen('status')) {
    found.push(`status || '' IN (${storedAs(status).map((stored) => `'${stored}'`)})`);
  }
  if (delivery !== undefined && isOpen('delivery')) found.push(deliveryIs(delivery));
  return found;
}

/** Returns the conditions on rows that may be staged: the row is visible, and shown with the status. */
export function shownConditions(filter: MessageFilter, fulfilled: readonly Narrowing[]): string[] {
  return [
    ...conditionsOf(filter, [...fulfilled, 'status']),
    `(sends.status <> 'staged' OR ${broadcastIsIn(SEEN)})`,
    ...(filter.status === undefined
      ? []
      : [`${SHOWN_STATUS} IN (${storedAs(filter.status).map((each) => `'${each}'`)})`]),
  ];
}

/** Returns the states of a broadcast in which a staged recipient is shown with this status; undefined: none. */
export function statesShownAs(status: MessageStatus | undefined): string | undefined {
  if (status === undefined) return SEEN;
  if (status === 'queued') return "'scheduled', 'running', 'paused'";
  return status === 'cancelled' ? "'cancelled'" : undefined;
}
