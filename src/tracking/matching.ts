import type { IntakeEntry } from '../store/intake-store.ts';
import type { MessageStore } from '../store/message-store.ts';
import type { TrackedSend, TrackingStore } from '../store/tracking-store.ts';
import { reportedEarlierMsMax, reportedLaterMsMax } from '../upstream/report-window.ts';
import { parseJson } from '../upstream/tolerant-reader.ts';
import type { ClickedEvent, DeliverySource, OutgoingEvent, ReceivedEvent, StatusEvent, TrackedEvent } from './types.ts';
import { readWebhookEvent } from './webhook-event.ts';

/** Finds the message that an event is about. */
export type MatchingStore = Pick<TrackingStore, 'findTracked' | 'findByContent' | 'conversation'> &
  Pick<MessageStore, 'countLookalikes'>;

/**
 * Where an event comes from: an entry of the intake, or a row of a history. A history row has no sequence number and is not
 * tried again.
 */
export type EventEntry = Pick<IntakeEntry, 'seq' | 'connectionId' | 'receivedAtMs' | 'tries' | 'ageMs'>;

/** An event and its source. */
export interface ParsedEvent<Event extends TrackedEvent = TrackedEvent> {
  entry: EventEntry;
  event: Event;
  source: DeliverySource;
}

/** An event of an outgoing message of the company, sent by this service or by someone else. */
export type ParsedOutgoing = ParsedEvent<TrackedEvent & (StatusEvent | OutgoingEvent | ClickedEvent)>;
export type ParsedReceived = ParsedEvent<TrackedEvent & ReceivedEvent>;

export const parseEntry = (entry: IntakeEntry): ParsedEvent => ({
  entry,
  event: readWebhookEvent(parseJson(entry.body)),
  source: 'webhook',
});

export const isOutgoing = (parsed: ParsedEvent): parsed is ParsedOutgoing =>
  parsed.event.kind === 'status' || parsed.event.kind === 'outgoing' || parsed.event.kind === 'clicked';

export const isReceived = (parsed: ParsedEvent): parsed is ParsedReceived => parsed.event.kind === 'received';

/** A reply from a customer whose number is hidden: the recipient of the quoted message identifies the customer. */
export const needsQuoted = (parsed: ParsedEvent): parsed is ParsedReceived =>
  isReceived(parsed) && parsed.event.from.phone === undefined && parsed.event.replyTo !== undefined;

/** Our messages that replies quote. */
export async function findQuoted(
  store: Pick<MatchingStore, 'findTracked'>,
  replies: readonly ParsedReceived[],
): Promise<ReadonlyMap<ParsedEvent, TrackedSend>> {
  const found = new Map<ParsedEvent, TrackedSend>();
  const quoting = replies.filter(({ event }) => event.replyTo !== undefined);
  for (const [connectionId, own] of Map.groupBy(quoting, ({ entry }) => entry.connectionId)) {
    const ids = own.map(({ event: { replyTo } }) => ({ ...(replyTo !== undefined && { whatsappMessageId: replyTo }) }));
    const sends = await store.findTracked(connectionId, ids);
    for (const [place, each] of own.entries()) {
      const send = sends[place];
      if (send) found.set(each, send);
    }
  }
  return found;
}

/** The numbers of customers whose webhooks have none: from the quoted message, or known from earlier. */
export async function findRecipients(
  store: Pick<MatchingStore, 'conversation'>,
  events: readonly ParsedEvent[],
  quoted: ReadonlyMap<ParsedEvent, TrackedSend>,
): Promise<ReadonlyMap<ParsedEvent, string>> {
  const recipients = new Map<ParsedEvent, string>();
  for (const each of events.filter(needsQuoted)) {
    const { entry, event } = each;
    const recipient = quoted.get(each)?.to ?? (await store.conversation(entry.connectionId, event.from))?.phone;
    if (recipient !== undefined) recipients.set(each, recipient);
  }
  return recipients;
}

/**
 * An event is matched by content from its fourth try on (`triesMs` in src/tracking/batch.ts: 30 s after its receipt). By then its
 * twin with our own id, which is certain, would have arrived.
 */
const triesBeforeContent = 3;

/** Finds the message of each event, among those of the token's connection; absent if there is none. */
export async function matchSends(
  store: MatchingStore,
  events: readonly ParsedOutgoing[],
): Promise<ReadonlyMap<ParsedOutgoing, TrackedSend>> {
  const matches = new Map<ParsedOutgoing, TrackedSend>();
  for (const [connectionId, own] of Map.groupBy(events, ({ entry }) => entry.connectionId)) {
    const ids = own.map(({ event }) => event.ids);
    const found = await store.findTracked(connectionId, ids);
    for (const [place, each] of own.entries()) {
      const send = found[place] ?? (await findByContent(store, each));
      if (send) matches.set(each, send);
    }
  }
  return matches;
}

/**
 * Matches an event to a sent template by recipient and time alone. Only if there is exactly one candidate and no other possible
 * cause of the event. An id that is not ours proves that the message is not ours.
 */
async function findByContent(store: MatchingStore, { entry, event }: ParsedOutgoing): Promise<TrackedSend | undefined> {
  if (entry.tries < triesBeforeContent || event.kind !== 'status') return undefined;
  const { template, recipient, ids } = event;
  if (template === undefined || recipient?.phone === undefined || ids.localMessageId !== undefined) return undefined;
  const { connectionId } = entry;
  const at = event.at ?? entry.receivedAtMs;
  const like = { recipient: recipient.phone, template };
  const time = { from: at - reportedLaterMsMax, until: at + reportedEarlierMsMax };
  const [only, ...others] = await store.findByContent(connectionId, like, time);
  // If an attempt is in progress, the event is tried again when it has ended: a match by content corrects only `unknown`
  // outcomes.
  if (only?.sentAt === undefined || only.status === 'sending' || others.length > 0) return undefined;
  const lookalikes = await store.countLookalikes(
    { id: only.id, kind: only.kind, connectionId, to: recipient.phone, template },
    new Date(only.sentAt - reportedEarlierMsMax - reportedLaterMsMax).toISOString(),
    new Date(only.sentAt + reportedEarlierMsMax + reportedLaterMsMax).toISOString(),
  );
  return lookalikes === 0 ? only : undefined;
}
