import type { ConversationMessage } from '../src/schemas/conversation.ts';
import { flagOf } from '../src/upstream/answers/fields.ts';
import { contentOfRow } from '../src/upstream/row-content.ts';
import { mediaPathOf } from '../src/upstream/row-media.ts';
import { asString, isoDate, type JsonObject } from '../src/upstream/tolerant-reader.ts';

/** The rows of a page with our field names. If WATI lists a row twice, the one with the later state counts. */
export function toConversationMessages(rows: readonly JsonObject[]): ConversationMessage[] {
  const known = new Map<string, ConversationMessage>();
  const messages: ConversationMessage[] = [];
  for (const row of rows) {
    const message = toConversationMessage(row);
    const key = message.id === '' ? undefined : `${message.direction === 'system'} ${message.id}`;
    const same = key === undefined ? undefined : known.get(key);
    if (same) {
      if (message.status !== undefined && rankOf(message) > rankOf(same)) same.status = message.status;
      if (message.failure && !same.failure) same.failure = message.failure;
      continue;
    }
    if (key !== undefined) known.set(key, message);
    messages.push(message);
  }
  return messages;
}

/** The states of a message in order. WATI's list may lag behind itself; a state is never taken back. */
const states = ['sent', 'delivered', 'read', 'replied'];
const rankOf = ({ status }: ConversationMessage): number =>
  states.indexOf(status === 'failed' ? 'delivered' : (status ?? ''));

/** A row of getMessages. `eventType` distinguishes events and messages. */
function toConversationMessage(row: JsonObject): ConversationMessage {
  const eventType = asString(row.eventType) ?? 'message';
  const isTemplate = row.type === 'template' || /broadcast|template/i.test(eventType);
  const isMessage = isTemplate || eventType === 'message';
  const content = isMessage ? contentOfRow(row) : {};
  const path = mediaPathOf(row);
  const code = asString(row.failedCode);
  const detail = asString(row.failedDetail);
  return {
    id: asString(row.id) ?? '',
    direction: isMessage ? directionOf(row, isTemplate) : 'system',
    type: isTemplate ? 'template' : isMessage ? (asString(row.type) ?? 'text') : eventType,
    ...optional('text', textOf(row, { isTemplate, isMessage }) ?? content.button?.text ?? content.order?.text),
    ...(path !== undefined && { media: { path } }),
    ...content,
    ...optional('status', isMessage ? asString(row.statusString)?.toLowerCase() : undefined),
    ...((code ?? detail) !== undefined && { failure: { ...optional('code', code), ...optional('detail', detail) } }),
    ...optional('operator', asString(row.operatorName)),
    ...optional('replyTo', asString(row.replyContextId)),
    at: isoDate(row.created) ?? isoDate(row.timestamp) ?? new Date(0).toISOString(),
  };
}

/** `owner` is null on events, and may be absent on templates, which are always ours. On other rows, only `owner` tells who wrote. */
function directionOf({ owner }: JsonObject, isTemplate: boolean): ConversationMessage['direction'] {
  if (isTemplate) return 'out';
  const isOurs = flagOf(owner);
  return isOurs === undefined ? 'unknown' : isOurs ? 'out' : 'in';
}

function textOf(row: JsonObject, { isTemplate, isMessage }: { isTemplate: boolean; isMessage: boolean }) {
  if (isTemplate) return asString(row.finalText) ?? asString(row.eventDescription) ?? asString(row.text);
  return asString(row.text) ?? (isMessage ? undefined : asString(row.eventDescription));
}

const optional = <Key extends string>(key: Key, value: string | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { [Name in Key]?: string };
