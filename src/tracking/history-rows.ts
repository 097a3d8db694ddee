import { flagOf } from '../upstream/answers/fields.ts';
import { asString, type JsonObject } from '../upstream/tolerant-reader.ts';
import { contactNamed } from './contact.ts';
import { unexplained } from './delivery-state.ts';
import { failureOf, idsOf, quotedIn, templateNameOf, timeOf } from './event-fields.ts';
import type { ParsedEvent } from './matching.ts';
import { receivedContent } from './received-content.ts';
import type { OutgoingEvent, ReceivedEvent, StatusEvent, StatusFact, TrackedEvent } from './types.ts';

/** Whose history was read, and when. */
export interface HistoryOf {
  connectionId: string;
  recipient: string;
  /** Wall clock, ms. */
  readAtMs: number;
  /** The age up to which customers' messages are returned; 0: only the last one. */
  receivedForMs?: number;
}

/** WATI's names of message states. Others, such as `PENDING`, mean that no state is known. */
const factOf: Readonly<Record<string, StatusFact | undefined>> = {
  sent: 'sent',
  delivered: 'delivered',
  read: 'read',
  replied: 'replied',
  failed: 'failed',
};

/** The largest difference of WATI's clock and ours plus the largest delay of its report: the sum of those in src/tracking/matching.ts. */
const apartMs = 16 * 60_000;

/** Extracts from a page of a history what became of our messages, and when the customer last wrote. Never throws. */
export function parseHistory(rows: readonly JsonObject[], of: HistoryOf): ParsedEvent[] {
  const read = rows.map((row) => readRow(row, of.recipient)).filter((each) => each !== undefined);
  const events = read.map((each) => withCertainTemplate(each, read));
  // WATI lists the newest first.
  const oldestFirst = events.filter((event) => event.kind === 'received').toReversed();
  const received = oldestFirst.toSorted((a, b) => (a.at ?? 0) - (b.at ?? 0));
  // Older ones make no events, and only the last one decides whether the conversation is open.
  const kept = received.filter(
    ({ at = 0 }, place) => place === received.length - 1 || at > of.readAtMs - (of.receivedForMs ?? 0),
  );
  // Not tried again: a row without a matching message is not ours.
  const entry = {
    seq: 0,
    connectionId: of.connectionId,
    receivedAtMs: of.readAtMs,
    tries: Number.POSITIVE_INFINITY,
    ageMs: 0,
  };
  const outgoing = events.filter((event) => event.kind !== 'received');
  return [...outgoing, ...kept].map((event) => ({ entry, event, source: 'poll' as const }));
}

type RowEvent = TrackedEvent & (StatusEvent | ReceivedEvent | OutgoingEvent);

/** A row about a message. `template` is the name of the template, if the row contains it. */
interface MessageRow {
  event: RowEvent;
  isTemplate: boolean;
  template?: string | undefined;
}

/** Undefined: the row is not a message, or does not show who sent it. */
function readRow(row: JsonObject, recipient: string): MessageRow | undefined {
  const kind = asString(row.eventType)?.toLowerCase() ?? 'message';
  const isTemplate =
    asString(row.type)?.toLowerCase() === 'template' || kind.startsWith('broadcast') || kind.startsWith('template');
  if (!isTemplate && kind !== 'message') return undefined;
  const isOurs = isTemplate || flagOf(row.owner);
  if (isOurs === undefined) return undefined;
  const at = timeOf(row, 'created', 'timestamp');
  const contact = contactNamed(recipient);
  const about = { ids: idsOf(row), ...(at !== undefined && { at }), label: 'message' };
  if (!isOurs) {
    const replyTo = quotedIn(row);
    const received = { ...about, ...(replyTo !== undefined && { replyTo }), content: receivedContent(row) };
    return at === undefined ? undefined : { isTemplate, event: { kind: 'received', from: contact, ...received } };
  }
  const fact = factOf[asString(row.statusString)?.toLowerCase() ?? ''];
  const failure = fact === 'failed' ? (failureOf(row) ?? unexplained) : undefined;
  return {
    isTemplate,
    ...(isTemplate && { template: templateNameOf(row) ?? templateIn(row) }),
    event: fact
      ? { kind: 'status', fact, recipient: contact, ...about, ...(failure && { failure }) }
      : { kind: 'outgoing', recipient: contact, ...about },
  };
}

const sentenceStart = 'Broadcast message with using "';
const sentenceEnd = '" template';

/** WATI names the template only in the sentence of a broadcast event. */
function templateIn(row: JsonObject): string | undefined {
  const sentence = asString(row.eventDescription);
  if (sentence === undefined || !sentence.startsWith(sentenceStart)) return undefined;
  const end = sentence.indexOf(sentenceEnd, sentenceStart.length);
  return end > sentenceStart.length ? sentence.slice(sentenceStart.length, end) : undefined;
}

/** Two rows at the same time that are or may be of this template, whatever their states, cannot be told apart by content. */
function withCertainTemplate(row: MessageRow, all: readonly MessageRow[]): RowEvent {
  const { event, template } = row;
  const { at, ids } = event;
  if (event.kind !== 'status' || template === undefined || at === undefined || ids.localMessageId !== undefined) {
    return event;
  }
  const mayBeMeant = (other: MessageRow): boolean =>
    other !== row &&
    other.isTemplate &&
    (other.template ?? template) === template &&
    other.event.ids.localMessageId === undefined &&
    (other.event.at === undefined || Math.abs(other.event.at - at) <= apartMs);
  return all.some(mayBeMeant) ? event : { ...event, template };
}
