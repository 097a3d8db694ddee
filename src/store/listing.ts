import { FAILED } from './broadcast-schema.ts';
import { type Dialect, type Step, statement, type Value } from './engine.ts';
import type { SendFilter, SendStatus } from './port.ts';
import { wallTime } from './row.ts';
import { ofBroadcast, SHOWN } from './statements.ts';

/** What is asked of the sends of one caller, in sequence numbers: older than `before`, and not older than `from`. */
export interface ListAsk {
  caller: string;
  filter: SendFilter;
  limit: number;
  before?: number;
  from?: number;
}

/** Rows of `sends` in the order of one index, which finds them by `walk`; `also` is asked of each of them. */
export interface Part {
  walk: readonly string[];
  also: readonly string[];
}

/**
 * A page of a caller's sends. The statement is made for the filters that are given, and of as many parts as it takes for
 * each to find its rows, newest first, in one index; none walks over recipients that are not to be seen yet.
 */
export function listStep(dialect: Dialect, ask: ListAsk): Step {
  const range = [
    ...(ask.before === undefined ? [] : ['sends.seq < :before']),
    ...(ask.from === undefined ? [] : ['sends.seq >= :from']),
  ];
  const settled = settledIn(ask.filter).map(
    ({ walk, also }) => `sends WHERE ${[...walk, ...also, ...range].join(' AND ')}`,
  );
  const parts = [...settled, ...stagedIn(ask.filter, range, dialect)].map(
    (part, n) => `SELECT * FROM (SELECT ${SHOWN} FROM ${part} ORDER BY sends.seq DESC LIMIT :limit) AS part${n}`,
  );
  return { statement: statement(`${parts.join(' UNION ALL ')} ORDER BY seq DESC LIMIT :limit`), values: valuesOf(ask) };
}

export function valuesOf({ caller, filter, limit, before, from }: ListAsk): Record<string, Value> {
  const { to, status, since, broadcastId } = filter;
  return {
    caller,
    limit,
    ...(before !== undefined && { before }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    ...(status !== undefined && { status }),
    ...(since !== undefined && { since: wallTime(since) }),
    ...(broadcastId !== undefined && { broadcastId }),
  };
}

/** Asked of rows that are found by something else: as an expression, so that no index of it is taken instead. */
const ASKED = {
  recent: 'created_at + 0 >= :since',
  inState: "status || '' = :status",
  ofOne: "broadcast_id || '' = :broadcastId",
  ofCaller: "caller || '' = :caller",
} as const;

/** Everything but recipients that wait. */
export function settledIn({ to, status, broadcastId, since }: SendFilter): Part[] {
  const recent = since === undefined ? [] : [ASKED.recent];
  const askedState = status === undefined ? [] : [ASKED.inState];
  const askedOne = broadcastId === undefined ? [] : [ASKED.ofOne];
  const inState = status === undefined ? [] : ['status = :status'];
  const ofOne = broadcastId === undefined ? [] : ['broadcast_id = :broadcastId'];
  const notWaiting = "status <> 'staged'";
  if (to !== undefined) {
    return [
      { walk: ['caller = :caller', 'recipient = :to'], also: [...recent, ...askedState, ...askedOne, notWaiting] },
    ];
  }
  // As the partial indexes have it.
  if (status === undefined || status === 'accepted') {
    const also = [...recent, ...askedState];
    if (broadcastId !== undefined) return [{ walk: [...ofOne, notWaiting], also: [ASKED.ofCaller, ...also] }];
    return [
      { walk: ['caller = :caller', 'broadcast_id IS NULL'], also },
      { walk: ['caller = :caller', 'broadcast_id IS NOT NULL', notWaiting], also },
    ];
  }
  // Of a caller only few are under way; of all else it may have a hundred thousand, in other broadcasts.
  const isUnderWay = status === 'queued' || status === 'sending';
  if (broadcastId !== undefined && !isUnderWay) {
    return [{ walk: [...ofOne, ...inState, FAILED], also: [ASKED.ofCaller, ...recent] }];
  }
  const walk = ['caller = :caller', ...inState, "status <> 'accepted'", notWaiting];
  return [{ walk, also: [...recent, ...askedOne] }];
}

/** Recipients that wait, of broadcasts that are to be seen: by the number that they go to, or by the few of those. */
function stagedIn(
  { to, status, broadcastId, since }: SendFilter,
  range: readonly string[],
  dialect: Dialect,
): string[] {
  const seen = releasedAs(status);
  if (seen === undefined) return [];
  const where = [...range, "status = 'staged'"];
  if (to !== undefined) {
    where.push('recipient = :to');
    if (since !== undefined) where.push(ASKED.recent);
    if (broadcastId !== undefined) where.push(ASKED.ofOne);
    return [`sends WHERE ${['caller = :caller', ...where, ofBroadcast(seen)].join(' AND ')}`];
  }
  // They were created when it was: nobody need look at each.
  const recent = since === undefined ? '' : 'AND broadcasts.created_at >= :since';
  const one = broadcastId === undefined ? '' : 'AND broadcasts.id = :broadcastId';
  const newest = `${where.join(' AND ')} AND broadcast_id = broadcasts.id ORDER BY seq DESC LIMIT :limit`;
  return [
    `broadcasts ${dialect.each(newest)} WHERE broadcasts.caller = :caller AND broadcasts.ended_at IS NULL ${one} ${recent}
      AND broadcasts.status IN (${seen})`,
  ];
}

/** Of which broadcasts a recipient that waits has this status. */
function releasedAs(status: SendStatus | undefined): string | undefined {
  if (status === undefined) return "'running', 'paused', 'cancelled'";
  if (status === 'queued') return "'running', 'paused'";
  return status === 'cancelled' ? "'cancelled'" : undefined;
}
