import type { NewFact } from '../store/event-store.ts';
import type { Conversation, ConversationFacts, TrackedSend, TrackingStore } from '../store/tracking-store.ts';
import { tellAnswer } from './answer-facts.ts';
import { tellChange, tellClick, tellContact } from './change-facts.ts';
import { isOutgoing, isReceived, type ParsedEvent, type ParsedOutgoing } from './matching.ts';
import type { RoutedBy } from './reply-routing.ts';
import type { Telling } from './telling.ts';
import type { IdentityEvent, ReceivedEvent, TrackedEvent } from './types.ts';

/** What a batch tells callers, apart from states of messages, which the store notes itself. */
export interface Told {
  facts: NewFact[];
  /** Events that are told at their next try. */
  waits: ReadonlySet<ParsedEvent>;
  /** Events that wait for nothing any more. */
  settled: ReadonlySet<ParsedEvent>;
  routed: RoutedBy[];
}

export interface ToldOf {
  matches: ReadonlyMap<ParsedOutgoing, TrackedSend>;
  quoted: ReadonlyMap<ParsedEvent, TrackedSend>;
  recipients: ReadonlyMap<ParsedEvent, string>;
  /** What the batch says of conversations by messages that went out. */
  outgoing: readonly ConversationFacts[];
}

export interface TellServices {
  store: Pick<TrackingStore, 'conversation' | 'lastSendTo'>;
  telling: Telling;
}

/** Reads nothing of what nobody hears. */
export async function tell(events: readonly ParsedEvent[], of: ToldOf, services: TellServices): Promise<Told> {
  const each = await Promise.all(events.map((parsed) => tellOne(parsed, of, services)));
  return {
    facts: each.flatMap(({ facts }) => facts),
    waits: new Set(each.flatMap(({ parsed, waits }) => (waits ? [parsed] : []))),
    settled: new Set(each.flatMap(({ parsed, isSettled }) => (isSettled ? [parsed] : []))),
    routed: each.flatMap(({ routedBy }) => (routedBy === undefined ? [] : [routedBy])),
  };
}

interface ToldOne {
  parsed: ParsedEvent;
  facts: NewFact[];
  routedBy?: RoutedBy;
  waits?: true;
  isSettled?: true;
}

async function tellOne(parsed: ParsedEvent, of: ToldOf, services: TellServices): Promise<ToldOne> {
  const { entry, event, source } = parsed;
  const { telling } = services;
  switch (event.kind) {
    case 'clicked': {
      const send = isOutgoing(parsed) ? of.matches.get(parsed) : undefined;
      return { parsed, facts: send ? tellClick({ entry, event, source }, send, telling) : [] };
    }
    case 'template':
    case 'account':
      return { parsed, facts: tellChange({ entry, event, source }, telling) };
    case 'received':
    case 'identity':
      return tellOfPerson(parsed, event, { of, services });
    default:
      return { parsed, facts: [] };
  }
}

async function tellOfPerson(
  parsed: ParsedEvent,
  event: TrackedEvent & (ReceivedEvent | IdentityEvent),
  { of, services }: { of: ToldOf; services: TellServices },
): Promise<ToldOne> {
  const { connectionId, receivedAtMs } = parsed.entry;
  const { audience } = services.telling;
  const isHeard = (['message.received', 'contact.changed'] as const).some(
    (type) => audience.listeners({ type, connectionId }).length > 0,
  );
  if (!isHeard) return { parsed, facts: [] };
  const recipient = of.recipients.get(parsed);
  const given = event.kind === 'received' ? event.from : event.identity;
  const person = { ...(recipient !== undefined && { phone: recipient }), ...given };
  const known: Conversation | undefined = await services.store.conversation(connectionId, person);
  const changes = await tellContact({ connectionId, receivedAtMs, person, known }, services);
  if (!isReceived(parsed)) return { parsed, facts: changes };
  const { quoted, outgoing } = of;
  const batch = outgoing.filter((each) => each.connectionId === connectionId);
  const knowledge = { quoted: quoted.get(parsed), recipient, conversation: known, batch };
  const answer = await tellAnswer(parsed, knowledge, services);
  return { parsed, ...answer, facts: [...changes, ...answer.facts] };
}
