import { FAILED } from './broadcast-schema.ts';
import { sequenceOf } from './cursor.ts';
import { type Dialect, type Step, statement, type Value } from './engine.ts';
import type { SendFilter, SendStatus } from './port.ts';
import { wallTime } from './row.ts';
import { ofBroadcast, SHOWN } from './statements.ts';

/**
 * A page of a caller's sends. The statement is made for the filters that are given, and of as many parts as it takes for
 * each to find its rows, newest first, in one index; none walks over recipients that are not to be seen yet.
 */
export function listStep(
  dialect: Dialect,
  caller: string,
  filter: SendFilter,
  page: { limit: number; cursor?: string },
): Step {
  const values: Record<string, Value> = { caller, limit: page.limit };
  const narrowed: string[] = [];
  if (filter.to !== undefined) {
    narrowed.push('recipient = :to');
    values.to = filter.to;
  }
  if (filter.since !== undefined) values.since = wallTime(filter.since);
  if (page.cursor !== undefined) {
    narrowed.push('seq < :before');
    values.before = sequenceOf(page.cursor);
  }
  if (filter.status !== undefined) values.status = filter.status;
  if (filter.broadcastId !== undefined) values.broadcastId = filter.broadcastId;
  const parts = [...settledIn(filter, narrowed), ...stagedIn(filter, narrowed, dialect)].map(
    (part, n) => `SELECT * FROM (SELECT ${SHOWN} FROM ${part} ORDER BY sends.seq DESC LIMIT :limit) AS part${n}`,
  );
  return { statement: statement(`${parts.join(' UNION ALL ')} ORDER BY seq DESC LIMIT :limit`), values };
}

/** Everything but recipients that wait. */
function settledIn({ to, status, broadcastId, since }: SendFilter, narrowed: readonly string[]): string[] {
  const where = ['caller = :caller', ...narrowed];
  if (since !== undefined) where.push('created_at >= :since');
  // As the partial indexes have it.
  if (to !== undefined || status === undefined || status === 'accepted') {
    if (status !== undefined) where.push('status = :status');
    if (broadcastId !== undefined) where.push('broadcast_id = :broadcastId');
    if (to !== undefined || broadcastId !== undefined) return [sends([...where, "status <> 'staged'"])];
    return [
      sends([...where, 'broadcast_id IS NULL']),
      sends([...where, 'broadcast_id IS NOT NULL', "status <> 'staged'"]),
    ];
  }
  where.push('status = :status');
  // Of a caller only few are under way; of all else it may have a hundred thousand, in other broadcasts.
  const isUnderWay = status === 'queued' || status === 'sending';
  if (broadcastId !== undefined) where.push('broadcast_id = :broadcastId');
  if (broadcastId !== undefined && !isUnderWay) return [sends([...where, FAILED])];
  return [sends([...where, "status <> 'accepted'", "status <> 'staged'"])];
}

/** Recipients that wait, of broadcasts that are to be seen: by the number that they go to, or by the few of those. */
function stagedIn(
  { to, status, broadcastId, since }: SendFilter,
  narrowed: readonly string[],
  dialect: Dialect,
): string[] {
  const seen = releasedAs(status);
  if (seen === undefined) return [];
  const where = [...narrowed, "status = 'staged'"];
  if (to !== undefined) {
    if (since !== undefined) where.push('created_at >= :since');
    if (broadcastId !== undefined) where.push('broadcast_id = :broadcastId');
    return [sends(['caller = :caller', ...where, ofBroadcast(seen)])];
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

const sends = (where: readonly string[]): string => `sends WHERE ${where.join(' AND ')}`;
