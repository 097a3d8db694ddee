import type { MessageFilter, MessageStatus } from '../message-store.ts';
import { deliveryIs } from './delivery-scan.ts';
import { broadcastIsIn, SHOWN_STATUS } from './message-columns.ts';

/** What a list can be narrowed by. */
export type Narrowing = keyof MessageFilter;

/** Conditions on a row that another index has found: expressions, so that the planner does not switch to an index on them. */
const PLAIN: readonly (readonly [Narrowing, string])[] = [
  ['id', "sends.id || '' = :id"],
  ['idempotencyKey', "idem_key || '' = :idempotencyKey"],
  ['reference', "reference || '' = :reference"],
  ['to', "recipient || '' = :to"],
  ['broadcastId', "broadcast_id || '' = :broadcastId"],
  ['template', "template || '' = :template"],
  ['since', 'created_at + 0 >= :since'],
  ['until', 'created_at + 0 < :until'],
];

export const OF_CALLER = "caller || '' = :caller";
export const NOT_STAGED = "status || '' <> 'staged'";
/** The states of a broadcast in which its caller sees its recipients. */
const SEEN = "'scheduled', 'running', 'paused', 'cancelled'";

/** The statuses in the database that are shown as this one, besides `staged`. */
export const storedAs = (status: MessageStatus): readonly string[] =>
  status === 'queued' ? ['queued', 'scheduled'] : [status];

/** The conditions of a filter that the rows of an index do not fulfil by themselves. */
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

/** The conditions on a row that may be staged: it is visible, and shown with the status. */
export function shownConditions(filter: MessageFilter, fulfilled: readonly Narrowing[]): string[] {
  return [
    ...conditionsOf(filter, [...fulfilled, 'status']),
    `(sends.status <> 'staged' OR ${broadcastIsIn(SEEN)})`,
    ...(filter.status === undefined
      ? []
      : [`${SHOWN_STATUS} IN (${storedAs(filter.status).map((each) => `'${each}'`)})`]),
  ];
}

/** The states of a broadcast in which a staged recipient is shown with this status; undefined: in none. */
export function statesShownAs(status: MessageStatus | undefined): string | undefined {
  if (status === undefined) return SEEN;
  if (status === 'queued') return "'scheduled', 'running', 'paused'";
  return status === 'cancelled' ? "'cancelled'" : undefined;
}
