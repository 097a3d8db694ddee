import type { MessageFilter, MessageStatus } from '../message-store.ts';
import { FAILED } from './broadcast-schema.ts';
import { deliveryIs, messagesDelivered } from './delivery-scan.ts';
import { type Dialect, type IndexScan, type ScanTable, type Step, statement, type Value } from './engine.ts';
import { broadcastIsIn, VISIBLE_COLUMNS } from './message-columns.ts';
import { wallTime } from './row-mapping.ts';
import { DELIVERED } from './tracking-columns.ts';

/** A query for messages of one caller by sequence number: older than `before`, and not older than `from`. */
export interface ListQuery {
  caller: string;
  filter: MessageFilter;
  limit: number;
  before?: number;
  from?: number;
}

/** Rows of an index that are visited for one page; the next page continues there. */
export const VISITED_MAX = 5_000;

/** Rows of `sends` in the order of one index, which starts with `equal`; `also` is checked on each row. */
export interface ScanPart {
  /** The table of the index; `sends` if absent. */
  of?: ScanTable;
  index: string;
  equal: Readonly<Record<string, string>>;
  /** The condition of the partial index. */
  within: readonly string[];
  also: readonly string[];
}

export function scanOf(dialect: Dialect, { of, index, equal, within }: ScanPart): IndexScan {
  const walk = dialect.scan(index, equal, of);
  return { ...walk, where: [walk.where, ...within].join(' AND ') };
}

/**
 * A page of a caller's messages, newest first. The statement is built for the given filters, as a union of parts that each
 * read one index in order; none visits recipients of broadcasts that are not published.
 */
export function buildListStep(dialect: Dialect, ask: ListQuery): Step {
  // Nothing is known of the delivery of staged recipients.
  const seen = ask.filter.delivery === undefined ? broadcastStatesFor(ask.filter.status) : undefined;
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

/** Conditions for rows found by another index. Written as expressions, so that the planner does not switch to an index on them. */
const ASKED = {
  recent: 'created_at + 0 >= :since',
  inState: "CASE status WHEN 'scheduled' THEN 'queued' ELSE status END = :status",
  ofOne: "broadcast_id || '' = :broadcastId",
  ofCaller: "caller || '' = :caller",
} as const;

const NOT_WAITING = "status <> 'staged'";
const IN_BROADCAST = 'broadcast_id IS NOT NULL';

/** All messages but staged recipients. */
export function visibleMessages(filter: MessageFilter): ScanPart[] {
  const { delivery, status, since, broadcastId } = filter;
  const delivered = messagesDelivered(filter);
  if (delivered !== undefined) {
    const also = [
      ...(since === undefined ? [] : [ASKED.recent]),
      ...(status === undefined ? [] : [ASKED.inState]),
      ...(broadcastId === undefined ? [] : [ASKED.ofCaller, ASKED.ofOne]),
    ];
    return [{ ...delivered, also }];
  }
  const parts = recordedMessages(filter);
  if (delivery === undefined) return parts;
  return parts.map((part) => ({ ...part, also: [...part.also, deliveryIs(delivery)] }));
}

function recordedMessages({ to, status, broadcastId, since }: MessageFilter): ScanPart[] {
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
  // Few messages of a caller are in progress. With any other status it may have a hundred thousand, in other broadcasts.
  const isUnderWay = status === 'queued' || status === 'sending';
  if (broadcastId !== undefined && !isUnderWay) {
    const equal = { broadcast_id: ':broadcastId', status: ':status' };
    return [{ index: 'sends_failed', equal, within: [IN_BROADCAST, FAILED], also: [ASKED.ofCaller, ...recent] }];
  }
  // A recipient is never scheduled itself; its broadcast is.
  const words = status === 'queued' && broadcastId === undefined ? ["'queued'", "'scheduled'"] : [':status'];
  return words.map((word) => ({
    index: 'sends_status',
    equal: { caller: ':caller', status: word },
    within: ["status <> 'accepted'", NOT_WAITING],
    also: [...recent, ...ofOne],
  }));
}

const TO_ONE = {
  index: 'sends_recipient',
  equal: { caller: ':caller', recipient: ':to' },
  within: ['recipient IS NOT NULL'],
} as const;

/** Staged recipients of visible broadcasts, by phone number. */
function stagedTo({ to, broadcastId, since }: MessageFilter, seen: string): ScanPart[] {
  if (to === undefined) return [];
  const also = ["status || '' = 'staged'", broadcastIsIn(seen)];
  if (since !== undefined) also.push(ASKED.recent);
  if (broadcastId !== undefined) also.push(ASKED.ofOne);
  return [{ ...TO_ONE, also }];
}

/** Staged recipients by broadcast. They have its creation time, so it is compared once per broadcast. */
function stagedRecipients(dialect: Dialect, { broadcastId, since }: MessageFilter, seen: string): string {
  const recent = since === undefined ? '' : 'AND broadcasts.created_at >= :since';
  const one = broadcastId === undefined ? '' : 'AND broadcasts.id = :broadcastId';
  const { where, order } = dialect.scan('sends_staged', { broadcast_id: 'broadcasts.id' });
  const newest = `${where} AND status = 'staged' ORDER BY ${order} LIMIT :limit`;
  return `broadcasts ${dialect.lateralJoin(newest)} WHERE broadcasts.caller = :caller AND broadcasts.ended_at IS NULL ${one} ${recent}
      AND broadcasts.status IN (${seen}) ORDER BY sends.seq DESC LIMIT :limit`;
}

/** The broadcast statuses in which a staged recipient is shown with this status. */
function broadcastStatesFor(status: MessageStatus | undefined): string | undefined {
  if (status === undefined) return "'running', 'paused', 'scheduled', 'cancelled'";
  if (status === 'queued') return "'running', 'paused', 'scheduled'";
  return status === 'cancelled' ? "'cancelled'" : undefined;
}
