import type { MessageFilter, MessageStatus } from '../message-store.ts';
import { FAILED } from './broadcast-schema.ts';
import { type Dialect, type IndexScan, type Step, statement, type Value } from './engine.ts';
import { broadcastIsIn, VISIBLE_COLUMNS } from './message-statements.ts';
import { wallTime } from './row-mapping.ts';
import { DELIVERED } from './tracking-columns.ts';

/** What is asked of the sends of one caller, in sequence numbers: older than `before`, and not older than `from`. */
export interface ListQuery {
  caller: string;
  filter: MessageFilter;
  limit: number;
  before?: number;
  from?: number;
}

/** So many rows of an index are looked at for one page; the next page goes on from there. */
export const VISITED_MAX = 5_000;

/** Rows of `sends` in the order of one index, which begins with `equal`; `also` is asked of each of them. */
export interface ScanPart {
  index: string;
  equal: Readonly<Record<string, string>>;
  /** As the partial index has it. */
  within: readonly string[];
  also: readonly string[];
}

export function scanOf(dialect: Dialect, { index, equal, within }: ScanPart): IndexScan {
  const walk = dialect.scan(index, equal);
  return { ...walk, where: [walk.where, ...within].join(' AND ') };
}

/**
 * A page of a caller's sends. The statement is made for the filters that are given, and of as many parts as it takes for
 * each to find its rows, newest first, in one index; none walks over recipients that are not to be seen yet.
 */
export function buildListStep(dialect: Dialect, ask: ListQuery): Step {
  const seen = broadcastStatesFor(ask.filter.status);
  const toOne = seen === undefined ? [] : stagedTo(ask.filter, seen);
  const indexed = [...visibleMessages(ask.filter), ...toOne].map((part) =>
    dialect.newest(scanOf(dialect, part), part.also.join(' AND ') || 'TRUE', VISITED_MAX + 1),
  );
  const waiting =
    seen === undefined || ask.filter.to !== undefined ? [] : [stagedRecipients(dialect, ask.filter, seen)];
  const parts = [...indexed, ...waiting].map(
    (part, n) => `SELECT * FROM (SELECT ${VISIBLE_COLUMNS} FROM ${part}) AS part${n}`,
  );
  const page = `SELECT * FROM (${parts.join(' UNION ALL ')}) AS found ORDER BY seq DESC LIMIT :limit`;
  return {
    statement: statement(`
      SELECT page.*, ${DELIVERED} FROM (${page}) AS page
        LEFT JOIN deliveries ON deliveries.send_seq = page.seq ORDER BY page.seq DESC`),
    values: valuesOf(ask),
  };
}

export function valuesOf({ caller, filter, limit, before, from }: ListQuery): Record<string, Value> {
  const { to, status, since, broadcastId } = filter;
  return {
    caller,
    limit,
    before: before ?? Number.MAX_SAFE_INTEGER,
    from: from ?? 0,
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

const NOT_WAITING = "status <> 'staged'";
const IN_BROADCAST = 'broadcast_id IS NOT NULL';

/** Everything but recipients that wait. */
export function visibleMessages({ to, status, broadcastId, since }: MessageFilter): ScanPart[] {
  const recent = since === undefined ? [] : [ASKED.recent];
  const inState = status === undefined ? [] : [ASKED.inState];
  const ofOne = broadcastId === undefined ? [] : [ASKED.ofOne];
  if (to !== undefined) {
    return [{ ...TO_ONE, also: [...recent, ...inState, ...ofOne, NOT_WAITING] }];
  }
  if (status === undefined || status === 'accepted') {
    const also = [...recent, ...inState];
    if (broadcastId !== undefined) {
      const equal = { broadcast_id: ':broadcastId' };
      return [
        { index: 'sends_broadcast', equal, within: [IN_BROADCAST, NOT_WAITING], also: [ASKED.ofCaller, ...also] },
      ];
    }
    const equal = { caller: ':caller' };
    return [
      { index: 'sends_caller', equal, within: ['broadcast_id IS NULL'], also },
      { index: 'sends_claimed', equal, within: [IN_BROADCAST, NOT_WAITING], also },
    ];
  }
  // Of a caller only few are under way; of all else it may have a hundred thousand, in other broadcasts.
  const isUnderWay = status === 'queued' || status === 'sending';
  if (broadcastId !== undefined && !isUnderWay) {
    const equal = { broadcast_id: ':broadcastId', status: ':status' };
    return [{ index: 'sends_failed', equal, within: [IN_BROADCAST, FAILED], also: [ASKED.ofCaller, ...recent] }];
  }
  const equal = { caller: ':caller', status: ':status' };
  return [{ index: 'sends_status', equal, within: ["status <> 'accepted'", NOT_WAITING], also: [...recent, ...ofOne] }];
}

const TO_ONE = {
  index: 'sends_recipient',
  equal: { caller: ':caller', recipient: ':to' },
  within: ['recipient IS NOT NULL'],
} as const;

/** Recipients that wait, of broadcasts that are to be seen, by the number that they go to. */
function stagedTo({ to, broadcastId, since }: MessageFilter, seen: string): ScanPart[] {
  if (to === undefined) return [];
  const also = ["status || '' = 'staged'", broadcastIsIn(seen)];
  if (since !== undefined) also.push(ASKED.recent);
  if (broadcastId !== undefined) also.push(ASKED.ofOne);
  return [{ ...TO_ONE, also }];
}

/** The same by the few broadcasts that have any. They were created when it was: nobody need look at each. */
function stagedRecipients(dialect: Dialect, { broadcastId, since }: MessageFilter, seen: string): string {
  const recent = since === undefined ? '' : 'AND broadcasts.created_at >= :since';
  const one = broadcastId === undefined ? '' : 'AND broadcasts.id = :broadcastId';
  const { where, order } = dialect.scan('sends_staged', { broadcast_id: 'broadcasts.id' });
  const newest = `${where} AND status = 'staged' ORDER BY ${order} LIMIT :limit`;
  return `broadcasts ${dialect.lateralJoin(newest)} WHERE broadcasts.caller = :caller AND broadcasts.ended_at IS NULL ${one} ${recent}
      AND broadcasts.status IN (${seen}) ORDER BY sends.seq DESC LIMIT :limit`;
}

/** Of which broadcasts a recipient that waits has this status. */
function broadcastStatesFor(status: MessageStatus | undefined): string | undefined {
  if (status === undefined) return "'running', 'paused', 'cancelled'";
  if (status === 'queued') return "'running', 'paused'";
  return status === 'cancelled' ? "'cancelled'" : undefined;
}
