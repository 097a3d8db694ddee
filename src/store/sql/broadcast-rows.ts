import type { BroadcastStatus, NewBroadcast, StoredBroadcast } from '../broadcast-store.ts';
import { StoreError } from '../errors.ts';
import type { NewMessage } from '../message-store.ts';
import type { Row, Value } from './engine.ts';
import {
  emptyCounts,
  integer,
  isoTime,
  isStatus,
  optional,
  required,
  scheduleInRow,
  toSqlJson,
  toSqlText,
  toSqlTime,
} from './row-mapping.ts';

export function openValues({ idempotency, ...broadcast }: NewBroadcast, wall: number): Record<string, Value> {
  const { channel, sendAt, notAfter, reference, perMinute, resendOf, shownEarly, ...rest } = broadcast;
  return {
    ...rest,
    sendAt: toSqlTime(sendAt),
    notAfter: toSqlTime(notAfter),
    channel: toSqlText(channel),
    reference: toSqlText(reference),
    perMinute: perMinute ?? null,
    resendOf: toSqlText(resendOf),
    shownEarly: shownEarly ? 1 : 0,
    name: toSqlText(rest.name),
    route: idempotency.route,
    key: idempotency.key,
    wall,
  };
}

/** What differs between recipients that are recorded together; an absent field is NULL. Each field costs time for each row. */
const recipientRow = ({ id, to, localMessageId, content, reference, resendOf }: NewMessage, place: number) => ({
  id,
  recipient: toSqlText(to),
  call: toSqlJson(content),
  ...(localMessageId !== undefined && { local_id: toSqlText(localMessageId) }),
  ...(reference !== undefined && { reference: toSqlText(reference) }),
  ...(resendOf !== undefined && { resend_of: toSqlText(resendOf), place }),
});

/** The messages agree in all fields that are not part of a row. */
export const recipientValues = (messages: readonly NewMessage[]): Record<string, Value> => {
  const [first] = messages;
  return {
    kind: first?.kind ?? null,
    connection: first?.connectionId ?? null,
    template: toSqlText(first?.template),
    channel: toSqlText(first?.channel),
    channelAttempt: first?.channelNamed ? 0 : null,
    rows: JSON.stringify(messages.map(recipientRow)),
  };
};

function campaignInRow(row: Row): Pick<StoredBroadcast, 'reference' | 'perMinute' | 'resendOf' | 'leftOut'> {
  const reference = optional(row, 'reference');
  const resendOf = optional(row, 'resend_of');
  return {
    ...(reference !== undefined && { reference }),
    ...(row.per_minute !== null && { perMinute: integer(row, 'per_minute') }),
    ...(resendOf !== undefined && { resendOf }),
    ...(row.left_out !== null && { leftOut: integer(row, 'left_out') }),
  };
}

export function channelInRow(row: Row): { channel?: string } {
  const channel = optional(row, 'channel');
  return channel === undefined ? {} : { channel };
}

/** One page of broadcasts. `rows` are those of up to `limit` + 1 broadcasts; a further one means that there is another page. */
export function pageOfBroadcasts(rows: readonly Row[], limit: number): { broadcasts: StoredBroadcast[]; end?: number } {
  const sequences = [...new Set(rows.map((row) => integer(row, 'seq')))];
  const broadcasts = toBroadcasts(rows).slice(0, limit);
  const last = sequences[limit - 1];
  return last === undefined || sequences.length <= limit ? { broadcasts } : { broadcasts, end: last };
}

/** Each row contains a broadcast and one of its counters. */
export function toBroadcasts(rows: readonly Row[]): StoredBroadcast[] {
  const broadcasts = new Map<string, StoredBroadcast>();
  for (const row of rows) {
    const id = required(row, 'id');
    const broadcast = broadcasts.get(id) ?? toBroadcast(row);
    broadcasts.set(id, broadcast);
    const reached = optional(row, 'tally_status');
    if (reached === undefined) continue;
    const status = reached === 'staged' ? (broadcast.status === 'cancelled' ? 'cancelled' : 'queued') : reached;
    if (!isStatus(status)) throw new StoreError(`the store holds recipients that are ${status}`);
    broadcast.counts[status] += integer(row, 'tally_n');
    if (row.tally_moved_at !== null) {
      const movedAt = isoTime(integer(row, 'tally_moved_at'));
      if (movedAt > broadcast.updatedAt) broadcast.updatedAt = movedAt;
    }
  }
  return [...broadcasts.values()];
}

function toBroadcast(row: Row): StoredBroadcast {
  const status = required(row, 'status');
  if (!isBroadcastStatus(status)) throw new StoreError(`the store holds a broadcast that is ${status}`);
  const total = integer(row, 'total');
  const broadcast: StoredBroadcast = {
    id: required(row, 'id'),
    caller: required(row, 'caller'),
    template: required(row, 'template'),
    name: required(row, 'name'),
    connectionId: required(row, 'connection_id'),
    ...channelInRow(row),
    ...campaignInRow(row),
    status,
    total,
    // Counters exist from the publication on.
    counts: { ...emptyCounts(), queued: status === 'recording' ? total : 0 },
    createdAt: isoTime(integer(row, 'created_at')),
    updatedAt: isoTime(integer(row, 'updated_at')),
    ...scheduleInRow(row),
  };
  const key = optional(row, 'idem_key');
  if (key !== undefined) broadcast.idempotency = { route: required(row, 'idem_route'), key };
  const contentMac = optional(row, 'content_mac');
  if (contentMac !== undefined) broadcast.contentMac = contentMac;
  const fingerprint = optional(row, 'fingerprint');
  if (fingerprint !== undefined) broadcast.fingerprint = fingerprint;
  const pausedBy = optional(row, 'paused_by');
  if (status === 'paused') broadcast.pausedBy = pausedBy === 'operator' || pausedBy === 'service' ? pausedBy : 'caller';
  const pauseReason = optional(row, 'pause_reason');
  if (pauseReason !== undefined && status === 'paused') broadcast.pauseReason = pauseReason;
  if (row.finished_at !== null) broadcast.finishedAt = isoTime(integer(row, 'finished_at'));
  return broadcast;
}

const STATUSES: Readonly<Record<BroadcastStatus, true>> = {
  recording: true,
  scheduled: true,
  running: true,
  paused: true,
  cancelled: true,
  done: true,
};

function isBroadcastStatus(value: string): value is BroadcastStatus {
  return Object.hasOwn(STATUSES, value);
}
