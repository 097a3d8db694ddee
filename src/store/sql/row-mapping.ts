import { StoreError } from '../errors.ts';
import type {
  Completion,
  Json,
  MessageKind,
  MessageStatus,
  NewMessage,
  OwnedQueue,
  QueueKey,
  Schedule,
  StoredMessage,
} from '../message-store.ts';
import type { KeptContent } from './content-mac.ts';
import type { Row, Value } from './engine.ts';

export const emptyCounts = (): Record<MessageStatus, number> => ({
  queued: 0,
  sending: 0,
  accepted: 0,
  rejected: 0,
  not_sent: 0,
  unknown: 0,
  cancelled: 0,
});

const KINDS: Readonly<Record<MessageKind, true>> = {
  text: true,
  file: true,
  'file-link': true,
  buttons: true,
  list: true,
  template: true,
  csv: true,
};

export function isStatus(value: unknown): value is MessageStatus {
  return typeof value === 'string' && Object.hasOwn(emptyCounts(), value);
}

export function toStatus({ status }: Row): MessageStatus {
  if (!isStatus(status)) throw new StoreError(`the store holds a send that is ${status}`);
  return status;
}

export function isKind(value: unknown): value is MessageKind {
  return typeof value === 'string' && Object.hasOwn(KINDS, value);
}

/** PostgreSQL's text accepts neither NUL nor a lone surrogate. A detail from upstream that contains one must not make a completion fail. */
export function toSqlText(value: string | undefined): string | null {
  if (value === undefined) return null;
  return value.isWellFormed() && !value.includes('\0') ? value : value.toWellFormed().replaceAll('\0', '\uFFFD');
}

/** JSON.stringify escapes both, so JSON needs no replacement. */
export function toSqlJson(value: Json | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

export function insertValues(
  send: Omit<NewMessage, 'fingerprint'> & KeptContent,
  wall: number,
): Record<string, Value> & { id: string } {
  return {
    id: send.id,
    caller: send.caller,
    kind: send.kind,
    recipient: toSqlText(send.to),
    connectionId: send.connectionId,
    template: toSqlText(send.template),
    channel: toSqlText(send.channel),
    channelAttempt: send.channelNamed ? 0 : null,
    localMessageId: toSqlText(send.localMessageId),
    route: toSqlText(send.idempotency?.route),
    key: toSqlText(send.idempotency?.key),
    contentMac: toSqlText(send.contentMac),
    fingerprint: toSqlText(send.fingerprint),
    resendOf: toSqlText(send.resendOf),
    call: toSqlJson(send.content),
    fileName: toSqlText(send.fileName),
    reference: toSqlText(send.reference),
    sendAt: toSqlTime(send.sendAt),
    notAfter: toSqlTime(send.notAfter),
    wall,
  };
}

export function completionValues(
  completion: Omit<Completion, 'fingerprint'> & { id: string },
  { contentMac, fingerprint }: KeptContent,
  wall: number,
): Record<string, Value> & { id: string } {
  return {
    id: completion.id,
    status: completion.status,
    local_id: toSqlText(completion.localMessageId),
    whatsapp_id: toSqlText(completion.whatsappMessageId),
    code: toSqlText(completion.failure?.code),
    detail: toSqlText(completion.failure?.detail),
    verdict: toSqlJson(completion.outcome),
    mac: toSqlText(contentMac),
    content: toSqlText(fingerprint),
    lost_call: toSqlText(completion.lostCall?.id),
    place: completion.lostCall?.place ?? 0,
    wall: completion.at === undefined ? wall : wallTime(completion.at),
  };
}

/** PostgreSQL's driver returns a bigint as a string. */
export function integer(row: Row, column: string): number {
  const value = Number(row[column] ?? Number.NaN);
  if (!Number.isSafeInteger(value)) throw new StoreError(`the store holds no whole number in ${column}`);
  return value;
}

export const bySequence = (a: Row, b: Row): number => integer(a, 'seq') - integer(b, 'seq');

export function wallTime(iso: string): number {
  const wall = Date.parse(iso);
  if (Number.isNaN(wall)) throw new RangeError(`not a time: ${iso}`);
  return wall;
}

export const toSqlTime = (iso: string | undefined): number | null => (iso === undefined ? null : wallTime(iso));

/** Returns `send_at` and `not_after` of a message or a broadcast. */
export const scheduleInRow = (row: Row): Schedule => ({
  ...(row.send_at !== null && { sendAt: isoTime(integer(row, 'send_at')) }),
  ...(row.not_after !== null && { notAfter: isoTime(integer(row, 'not_after')) }),
});

export const isoTime = (wall: number): string => new Date(wall).toISOString();

export function toMessage(row: Row): StoredMessage {
  const { kind } = row;
  // `scheduled` is internal, like `staged`.
  const status = row.status === 'scheduled' ? 'queued' : row.status;
  if (!isStatus(status) || !isKind(kind)) throw new StoreError(`the store holds a send of ${kind} that is ${status}`);
  const send: StoredMessage = {
    id: required(row, 'id'),
    caller: required(row, 'caller'),
    kind,
    connectionId: required(row, 'connection_id'),
    status,
    attempts: integer(row, 'attempts'),
    createdAt: isoTime(integer(row, 'created_at')),
    updatedAt: isoTime(integer(row, 'updated_at')),
    ...scheduleInRow(row),
  };
  const to = optional(row, 'recipient');
  if (to !== undefined) send.to = to;
  const template = optional(row, 'template');
  if (template !== undefined) send.template = template;
  const channel = optional(row, 'channel');
  if (channel !== undefined) send.channel = channel;
  const localMessageId = optional(row, 'local_message_id');
  if (localMessageId !== undefined) send.localMessageId = localMessageId;
  const whatsappMessageId = optional(row, 'whatsapp_message_id');
  if (whatsappMessageId !== undefined) send.whatsappMessageId = whatsappMessageId;
  const broadcastId = optional(row, 'broadcast_id');
  if (broadcastId !== undefined) send.broadcastId = broadcastId;
  const resendOf = optional(row, 'resend_of');
  if (resendOf !== undefined) send.resendOf = resendOf;
  const fileName = optional(row, 'file_name');
  if (fileName !== undefined) send.fileName = fileName;
  const reference = optional(row, 'reference');
  if (reference !== undefined) send.reference = reference;
  const content = parsed(row, 'call_json');
  if (content !== undefined) send.content = content;
  const verdict = parsed(row, 'verdict_json');
  if (verdict !== undefined) send.outcome = verdict;
  if (row.sent_at !== null) send.sentAt = isoTime(integer(row, 'sent_at'));
  const code = optional(row, 'failure_code');
  if (code !== undefined) send.failure = { code, detail: required(row, 'failure_detail') };
  const contentMac = optional(row, 'content_mac');
  if (contentMac !== undefined) send.contentMac = contentMac;
  const fingerprint = optional(row, 'fingerprint');
  if (fingerprint !== undefined) send.fingerprint = fingerprint;
  const key = optional(row, 'idem_key');
  if (key !== undefined) {
    send.idempotency = { route: required(row, 'idem_route'), key };
  }
  return send;
}

export const queueValues = ({ caller, connectionId }: QueueKey): Record<string, Value> => ({
  caller,
  connection: connectionId,
});

export const toQueueKey = (row: Row): QueueKey => ({
  caller: required(row, 'caller'),
  connectionId: required(row, 'connection_id'),
});

export function toOwnedQueue(row: Row): OwnedQueue {
  const ownership = required(row, 'ownership');
  return {
    ...toQueueKey(row),
    owner: integer(row, 'owner'),
    ownership: ownership === 'own' || ownership === 'orphaned' ? ownership : 'other',
  };
}

export function required(row: Row, column: string): string {
  const value = optional(row, column);
  if (value === undefined) throw new StoreError(`the store holds no ${column}`);
  return value;
}

export function optional(row: Row, column: string): string | undefined {
  const value = row[column];
  if (value === null) return undefined;
  if (typeof value !== 'string') throw new StoreError(`the store holds no text in ${column}`);
  return value;
}

export function parsed(row: Row, column: string): Json | undefined {
  const value = optional(row, column);
  return value === undefined ? undefined : JSON.parse(value);
}
