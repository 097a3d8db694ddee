import { flagOf } from '../upstream/answers/fields.ts';
import { asString, type JsonObject } from '../upstream/tolerant-reader.ts';
import { contactNamed } from './contact.ts';
import { failureOf, idsOf, templateNameOf, timeOf } from './event-fields.ts';
import type { ParsedEvent } from './matching.ts';
import type { ReceivedEvent, StatusEvent, StatusFact, TrackedEvent } from './types.ts';

/** Whose history was read, when. */
export interface HistoryOf {
  connectionId: string;
  recipient: string;
  /** Wall clock, ms. */
  readAtMs: number;
}

/** Of the words that WATI has for the state of a message those that say something of it. */
const factOf: Readonly<Record<string, StatusFact | undefined>> = {
  sent: 'sent',
  delivered: 'delivered',
  read: 'read',
  replied: 'replied',
  failed: 'failed',
};

/** How far WATI's clock and ours may differ, and how late it may tell of a message, together: see src/tracking/matching.ts. */
const apartMs = 16 * 60_000;

/** What a page of a history says of our messages, and when the customer last wrote. Never throws. */
export function parseHistory(rows: readonly JsonObject[], of: HistoryOf): ParsedEvent[] {
  const events = rows.map((row) => eventIn(row, of.recipient)).filter((event) => event !== undefined);
  const received = events.filter((event) => event.kind === 'received');
  const last = received.toSorted((a, b) => (b.at ?? 0) - (a.at ?? 0)).slice(0, 1);
  const outgoing = events.filter((event) => event.kind !== 'received');
  // Nothing is tried again: what is not found now is not ours.
  const entry = {
    seq: 0,
    connectionId: of.connectionId,
    receivedAtMs: of.readAtMs,
    tries: Number.POSITIVE_INFINITY,
    ageMs: 0,
  };
  return [...outgoing.map((event) => asCertain(event, outgoing)), ...last].map((event) => ({
    entry,
    event,
    source: 'poll' as const,
  }));
}

type RowEvent = TrackedEvent & (StatusEvent | ReceivedEvent | { kind: 'outgoing' });

/** Undefined: it is a row between the messages, or does not say who wrote. */
function eventIn(row: JsonObject, recipient: string): RowEvent | undefined {
  const kind = asString(row.eventType)?.toLowerCase() ?? 'message';
  const isTemplate =
    asString(row.type)?.toLowerCase() === 'template' || kind.startsWith('broadcast') || kind.startsWith('template');
  if (!isTemplate && kind !== 'message') return undefined;
  const isOurs = isTemplate || flagOf(row.owner);
  if (isOurs === undefined) return undefined;
  const at = timeOf(row, 'created', 'timestamp');
  const contact = contactNamed(recipient);
  const about = { ids: idsOf(row), ...(at !== undefined && { at }), label: 'message' };
  if (!isOurs) return at === undefined ? undefined : { kind: 'received', from: contact, ...about };
  const fact = factOf[asString(row.statusString)?.toLowerCase() ?? ''];
  if (fact === undefined) return { kind: 'outgoing', recipient: contact, ...about };
  const template = isTemplate ? (templateNameOf(row) ?? templateIn(row)) : undefined;
  return {
    kind: 'status',
    fact,
    recipient: contact,
    ...about,
    ...(template !== undefined && { template }),
    ...(fact === 'failed' && { failure: failureOf(row) ?? { code: 'unknown', detail: '' } }),
  };
}

const before = 'Broadcast message with using "';
const behind = '" template';

/** WATI names a template only in the sentence of a broadcast event. */
function templateIn(row: JsonObject): string | undefined {
  const sentence = asString(row.eventDescription);
  if (sentence === undefined || !sentence.startsWith(before)) return undefined;
  const end = sentence.indexOf(behind, before.length);
  return end > before.length ? sentence.slice(before.length, end) : undefined;
}

/** With a second row of this template at that time, neither can be known by its content. */
function asCertain(event: RowEvent, all: readonly RowEvent[]): RowEvent {
  if (event.kind !== 'status' || event.template === undefined) return event;
  const { template, at, ids } = event;
  const isLike = (other: RowEvent): boolean =>
    other !== event &&
    other.kind === 'status' &&
    other.template === template &&
    other.ids.localMessageId === undefined &&
    (other.at === undefined || at === undefined || Math.abs(other.at - at) <= apartMs);
  if (ids.localMessageId === undefined && at !== undefined && !all.some(isLike)) return event;
  const { template: _, ...known } = event;
  return known;
}
