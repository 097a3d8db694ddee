import type { Outcome } from '../delivery/outcome.ts';
import type { DeliveryFacts } from '../store/delivery-facts.ts';
import type { Postponement } from '../store/intake-store.ts';
import type {
  ContactIdentity,
  ConversationFacts,
  TrackedFacts,
  TrackedSend,
  TrackingBatch,
} from '../store/tracking-store.ts';
import { contactNamed } from './contact.ts';
import { factsOf, joinFacts } from './delivery-state.ts';
import { failureKind } from './failure-kind.ts';
import { type EventEntry, isOutgoing, needsQuoted, type ParsedEvent, type ParsedOutgoing } from './matching.ts';
import { receivedTime } from './window.ts';

/** When an event without a matching message is tried again, ms after its receipt. After the last try it counts as foreign. */
const triesMs = [1_000, 5_000, 30_000, 120_000, 600_000];
/** Minimum pause between two tries. */
const restMs = 1_000;

/** When an entry is due again; undefined: it is not tried again. */
function nextTry({ tries, ageMs }: EventEntry): number | undefined {
  const due = triesMs[tries];
  return due === undefined ? undefined : Math.max(due, ageMs + restMs);
}

/** The same for an entry that could not be applied. Counted from now and not from its receipt, because the cause may last a while. */
export const nextTryAfterFault = ({ tries, ageMs }: EventEntry): number | undefined => {
  const pause = triesMs[tries];
  return pause === undefined ? undefined : ageMs + pause;
};

/** The facts about one message, in the order of receipt. */
export interface MatchedMessage {
  send: TrackedSend;
  events: { entry: EventEntry; facts: DeliveryFacts }[];
}

export interface BatchPlan {
  batch: TrackingBatch;
  messages: MatchedMessage[];
  /** Events of messages that this service did not send. */
  foreign: EventEntry[];
}

/** What the store knows about the events of a batch. */
export interface BatchMatches {
  matches: ReadonlyMap<ParsedOutgoing, TrackedSend>;
  /** The numbers of customers whose webhooks have none. */
  recipients: ReadonlyMap<ParsedEvent, string>;
  /** Webhooks that are to be tried again although they can be applied. */
  waits?: ReadonlySet<ParsedEvent>;
  /** Webhooks that need no further try. */
  settled?: ReadonlySet<ParsedEvent>;
}

/** Everything that one pass writes. Messages are sorted by sequence number, so that two replicas lock rows in the same order. */
export function planBatch(
  events: readonly ParsedEvent[],
  { matches, recipients, waits: early, settled }: BatchMatches,
): BatchPlan {
  const messages = new Map<number, MatchedMessage>();
  const conversations: ConversationFacts[] = [];
  const postponed: Postponement[] = [];
  const foreign: EventEntry[] = [];
  for (const each of events) {
    if (!isOutgoing(each)) {
      conversations.push(...conversationFactsOf(each, recipients.get(each)));
      const isEarly = needsQuoted(each) && !recipients.has(each) && !settled?.has(each);
      const inMs = isEarly || early?.has(each) ? nextTry(each.entry) : undefined;
      if (inMs !== undefined) postponed.push({ seq: each.entry.seq, inMs });
      continue;
    }
    const send = matches.get(each);
    const inMs = send ? undefined : nextTry(each.entry);
    if (send) {
      const message = messages.get(send.seq) ?? { send, events: [] };
      messages.set(send.seq, message);
      message.events.push({ entry: each.entry, facts: factsIn(each) });
    } else if (inMs !== undefined) postponed.push({ seq: each.entry.seq, inMs });
    else foreign.push(each.entry);
    conversations.push(...outgoingFactsOf(each, send, inMs !== undefined));
  }
  const waits = new Set(postponed.map(({ seq }) => seq));
  const ordered = [...messages.values()].toSorted((a, b) => a.send.seq - b.send.seq);
  const done = events.map(({ entry }) => entry.seq).filter((seq) => !waits.has(seq));
  return { batch: { messages: ordered.map(joined), conversations, done, postponed }, messages: ordered, foreign };
}

/** The outgoing messages of a batch, as facts about conversations. */
export const outgoingIn = (
  events: readonly ParsedEvent[],
  matches: ReadonlyMap<ParsedOutgoing, TrackedSend>,
): ConversationFacts[] =>
  events.filter(isOutgoing).flatMap((each) => {
    const send = matches.get(each);
    return outgoingFactsOf(each, send, !send && nextTry(each.entry) !== undefined);
  });

/** An `outgoing` event or a click contains the ids of a message and nothing about its state. */
function factsIn({ entry, event, source }: ParsedOutgoing): DeliveryFacts {
  const { whatsappMessageId, watiId } = event.ids;
  // A history row has only the time of the message; a webhook arrives when the state changes.
  const at = source === 'poll' ? receivedTime(event.at, entry.receivedAtMs) : entry.receivedAtMs;
  const facts: DeliveryFacts = event.kind === 'status' ? factsOf(event, at, source) : { rank: 0, source };
  return {
    ...facts,
    ...(watiId !== undefined && { watiId }),
    ...(whatsappMessageId !== undefined && { whatsappMessageId }),
  };
}

const byId: Outcome = { outcome: 'accepted', evidence: 'local-id' };
const byContent: Outcome = { outcome: 'accepted', evidence: 'content' };

function joined({ send, events }: MatchedMessage): TrackedFacts {
  const facts = events.map((each) => each.facts).reduce(joinFacts);
  const isSure = send.foundBy !== 'content';
  return { seq: send.seq, facts, proof: isSure ? 'id' : 'content', outcome: { ...(isSure ? byId : byContent) } };
}

/** The effect of an event on the conversation, if the event is not about a message of the company. */
function conversationFactsOf({ entry, event, source }: ParsedEvent, quoted: string | undefined): ConversationFacts[] {
  const { connectionId, receivedAtMs } = entry;
  if (event.kind === 'identity') return [{ connectionId, contact: event.identity }];
  if (event.kind !== 'received') return [];
  const inAt = receivedTime(event.at, receivedAtMs);
  const contact = { ...(quoted !== undefined && contactNamed(quoted)), ...event.from };
  return [{ connectionId, contact, inAt, inSource: source === 'poll' ? 'history' : 'webhook' }];
}

/**
 * Records a foreign message to a customer at once, so that a reply a minute later is not taken for a reply to us. It is
 * taken back if the message turns out to be ours.
 */
function outgoingFactsOf(
  parsed: ParsedOutgoing,
  send: TrackedSend | undefined,
  mayBeOurs: boolean,
): ConversationFacts[] {
  const { entry, event, source } = parsed;
  if (source === 'poll') return send ? closedWindowFactsOf(parsed, send) : historyFactsOf(parsed);
  const { connectionId, receivedAtMs, seq, tries } = entry;
  const about: ConversationFacts[] = [];
  const contact = contactOf(event);
  if (send) {
    // Also at the first try: an entry that was set aside and is requested again starts anew.
    if (contact) about.push({ connectionId, contact, endsProvisional: { entry: seq } });
    about.push(...closedWindowFactsOf(parsed, send));
  } else if (contact) {
    const at = receivedTime(event.at, receivedAtMs);
    if (!mayBeOurs) about.push({ connectionId, contact, foreignOutAt: at, endsProvisional: { entry: seq } });
    else if (tries === 0) about.push({ connectionId, contact, provisionalOut: { at, entry: seq } });
  }
  return about;
}

/** A row with an id that is not ours belongs to another sender. A row without any id may be ours even if its content matches no message. */
function historyFactsOf({ entry, event }: ParsedOutgoing): ConversationFacts[] {
  const { connectionId, receivedAtMs } = entry;
  if (event.kind === 'clicked' || event.ids.localMessageId === undefined || event.recipient === undefined) return [];
  return [{ connectionId, contact: event.recipient, foreignOutAt: receivedTime(event.at, receivedAtMs) }];
}

/** The recipient of an outgoing message. */
function contactOf(event: ParsedOutgoing['event']): ContactIdentity | undefined {
  if (event.kind === 'clicked') return undefined;
  const contact = event.kind === 'outgoing' || event.fact === 'sent' ? event.recipient : undefined;
  const isNamed = (contact?.phone ?? contact?.bsuid ?? contact?.contactId) !== undefined;
  return isNamed ? contact : undefined;
}

/** A message that failed because of a closed window proves that the window was closed when the message was sent. */
function closedWindowFactsOf(
  { entry, event }: Pick<ParsedOutgoing, 'entry' | 'event'>,
  send: TrackedSend,
): ConversationFacts[] {
  if (event.kind !== 'status' || !event.failure || send.to === undefined) return [];
  if (failureKind(event.failure.code) !== 'window') return [];
  const closedAt = Math.min(send.sentAt ?? entry.receivedAtMs, entry.receivedAtMs);
  return [{ connectionId: entry.connectionId, contact: contactNamed(send.to), closedAt }];
}
