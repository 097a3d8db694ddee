import type { NewFact } from '../store/event-store.ts';
import type { Conversation, ConversationFacts, TrackedSend, TrackingStore } from '../store/tracking-store.ts';
import { changeFacts, clickFacts, contactFacts } from './change-facts.ts';
import type { FactOptions } from './fact-options.ts';
import { isOutgoing, isReceived, type ParsedEvent, type ParsedOutgoing } from './matching.ts';
import { replyFacts } from './reply-facts.ts';
import type { RoutedBy } from './reply-routing.ts';
import type { IdentityEvent, ReceivedEvent, TrackedEvent } from './types.ts';

/** The events that a batch makes for callers, apart from states of messages: the store records those itself. */
export interface EventFacts {
  facts: NewFact[];
  /** Webhooks that are to be tried again before they make an event. */
  waits: ReadonlySet<ParsedEvent>;
  /** Webhooks that need no further try. */
  settled: ReadonlySet<ParsedEvent>;
  /** How each reply was routed, for a metric. */
  routed: RoutedBy[];
}

export interface FactMatches {
  matches: ReadonlyMap<ParsedOutgoing, TrackedSend>;
  quoted: ReadonlyMap<ParsedEvent, TrackedSend>;
  recipients: ReadonlyMap<ParsedEvent, string>;
  /** Outgoing messages in the batch, ours and foreign. */
  outgoing: readonly ConversationFacts[];
}

export interface FactServices {
  store: Pick<TrackingStore, 'conversation' | 'lastSendTo'>;
  factOptions: FactOptions;
}

/** Queries the store only for types of events that some caller has asked for. */
export async function eventFacts(
  events: readonly ParsedEvent[],
  of: FactMatches,
  services: FactServices,
): Promise<EventFacts> {
  const each = await Promise.all(events.map((parsed) => factsOfEvent(parsed, of, services)));
  return {
    facts: each.flatMap(({ facts }) => facts),
    waits: new Set(each.flatMap(({ parsed, waits }) => (waits ? [parsed] : []))),
    settled: new Set(each.flatMap(({ parsed, isSettled }) => (isSettled ? [parsed] : []))),
    routed: each.flatMap(({ routedBy }) => (routedBy === undefined ? [] : [routedBy])),
  };
}

interface EventResult {
  parsed: ParsedEvent;
  facts: NewFact[];
  routedBy?: RoutedBy;
  waits?: true;
  isSettled?: true;
}

async function factsOfEvent(parsed: ParsedEvent, of: FactMatches, services: FactServices): Promise<EventResult> {
  const { entry, event, source } = parsed;
  const { factOptions } = services;
  switch (event.kind) {
    case 'clicked': {
      const send = isOutgoing(parsed) ? of.matches.get(parsed) : undefined;
      return { parsed, facts: send ? clickFacts({ entry, event, source }, send, factOptions) : [] };
    }
    case 'template':
    case 'account':
      return { parsed, facts: changeFacts({ entry, event, source }, factOptions) };
    case 'received':
    case 'identity':
      return factsOfPerson(parsed, event, { of, services });
    default:
      return { parsed, facts: [] };
  }
}

async function factsOfPerson(
  parsed: ParsedEvent,
  event: TrackedEvent & (ReceivedEvent | IdentityEvent),
  { of, services }: { of: FactMatches; services: FactServices },
): Promise<EventResult> {
  const { connectionId, receivedAtMs } = parsed.entry;
  const { audience } = services.factOptions;
  const hasSubscribers = (['message.received', 'contact.changed'] as const).some(
    (type) => audience.subscribers({ type, connectionId }).length > 0,
  );
  if (!hasSubscribers) return { parsed, facts: [] };
  const recipient = of.recipients.get(parsed);
  const given = event.kind === 'received' ? event.from : event.identity;
  const person = { ...(recipient !== undefined && { phone: recipient }), ...given };
  const known: Conversation | undefined = await services.store.conversation(connectionId, person);
  const changes = await contactFacts({ connectionId, receivedAtMs, person, known }, services);
  if (!isReceived(parsed)) return { parsed, facts: changes };
  const { quoted, outgoing } = of;
  const batch = outgoing.filter((each) => each.connectionId === connectionId);
  const knowledge = { quoted: quoted.get(parsed), recipient, conversation: known, batch };
  const reply = await replyFacts(parsed, knowledge, services);
  return { parsed, ...reply, facts: [...changes, ...reply.facts] };
}
