import type { Subscriber } from '../events/audience.ts';
import { isoTimes } from '../lib/iso-times.ts';
import type { NewFact } from '../store/event-store.ts';
import type {
  ContactIdentity,
  Conversation,
  ConversationFacts,
  TrackedSend,
  TrackingStore,
} from '../store/tracking-store.ts';
import { formsOf } from '../upstream/answers/receivers.ts';
import type { FactOptions } from './fact-options.ts';
import { needsQuoted, type ParsedReceived } from './matching.ts';
import { foreignBefore, type Route, type RoutedBy, routeReply } from './reply-routing.ts';
import { receivedTime, toWindow, windowOf } from './window.ts';

/** What is known about a customer's message before its batch is applied. */
export interface ReplyKnowledge {
  /** The message of ours that it quotes. */
  quoted: TrackedSend | undefined;
  /** The number of a customer whose webhook has none: from the quoted message, or known from earlier. */
  recipient: string | undefined;
  conversation: Conversation | undefined;
  /** Outgoing messages in the same batch. */
  batch: readonly ConversationFacts[];
}

export interface ReplyFacts {
  facts: NewFact[];
  routedBy?: RoutedBy;
  /** It is to be tried again, and makes its event then. */
  waits?: true;
  /** Its event is made without the quoted message, and it is not tried again: another try could choose another caller. */
  isSettled?: true;
}

const noFacts: ReplyFacts = { facts: [] };

/** 30 s after the receipt, when a quoted message of ours would be known. */
const triesForQuote = 3;
/** 5 s after the receipt, when a message that was just sent is known to be ours or not. */
const triesForForeign = 2;
const justNowMs = 5_000;

/** `message.received` for the caller whose message is answered, and for those that get all replies or the unrouted ones. */
export async function replyFacts(
  parsed: ParsedReceived,
  knowledge: ReplyKnowledge,
  { store, factOptions }: { store: Pick<TrackingStore, 'lastSendTo'>; factOptions: FactOptions },
): Promise<ReplyFacts> {
  const { entry, event, source } = parsed;
  const { connectionId, receivedAtMs, tries } = entry;
  const topic = { type: 'message.received', connectionId } as const;
  const subscribers = factOptions.audience.subscribers(topic);
  const fact = factOf(parsed);
  if (subscribers.length === 0 || fact === undefined || isStale(parsed, factOptions.staleMs)) return noFacts;
  const isPatient = source === 'webhook' && needsQuoted(parsed) && knowledge.recipient === undefined;
  if (isPatient && tries < triesForQuote) return noFacts;

  const person = identityOf(parsed, knowledge);
  const at = receivedTime(event.at, receivedAtMs);
  const foreign = foreignBefore(at, person, { known: knowledge.conversation, batch: knowledge.batch });
  const reply = {
    ...{ connectionId, at, receivedAt: receivedAtMs, names: namesOf(person), foreign },
    quoted: knowledge.quoted,
    hasQuote: event.replyTo !== undefined,
    isButton: event.content.button !== undefined,
  };
  const route = await routeReply(store, reply, factOptions.routingMs);
  const isUnsure = route.isUnsure === true && foreign.provisional > receivedAtMs - justNowMs;
  if (isUnsure && source === 'webhook' && tries < triesForForeign) return { facts: [], waits: true };

  const owner = subscribers.find(({ id }) => id === route.owner);
  const routedBy = owner ? route.routedBy : 'unrouted';
  const data = dataOf(parsed, { person, knowledge, at, now: factOptions.now() });
  const routes = subscribers.flatMap((subscriber) => {
    const how = routeFor(subscriber, owner, { routedBy });
    return how === undefined ? [] : [{ caller: subscriber.id, routedBy: how }];
  });
  const facts = routes.map(({ caller, routedBy: how }) => ({
    ...{ caller, connectionId, type: topic.type, fact, at: factOptions.now() },
    ...contactOf(person),
    detail: { received: { ...data, ...replyTo(event.replyTo, knowledge.quoted, caller), routedBy: how } },
  }));
  return { facts, routedBy, ...(isPatient && { isSettled: true }) };
}

/** Whether an event may have been made of it already and deleted since, so that another one would be a duplicate. */
export const isStale = ({ entry, event }: ParsedReceived, staleMs: number): boolean =>
  event.at !== undefined && event.at < entry.receivedAtMs - staleMs;

/**
 * WATI's id of the message first: it is the same in a webhook, its twins and a history, which may have no other id. With the
 * connection, and apart from the numbers of entries: an id that somebody made up takes the place of no other message.
 */
function factOf({ entry, event: { ids }, source }: ParsedReceived): string | undefined {
  const id = ids.watiId ?? ids.whatsappMessageId;
  if (id !== undefined) return `in:${entry.connectionId}:${id}`;
  return source === 'poll' ? undefined : `in:entry-${entry.seq}`;
}

/** The `routedBy` of a subscriber's event; undefined: it gets none. */
function routeFor(subscriber: Subscriber, owner: Subscriber | undefined, route: Route): string | undefined {
  if (subscriber === owner) return route.routedBy;
  if (subscriber.inbound === 'all') return owner ? 'all' : 'unrouted';
  return subscriber.inbound === 'unrouted' && !owner ? 'unrouted' : undefined;
}

/** The person with everything known about them; the webhook itself takes precedence. */
function identityOf({ event }: ParsedReceived, { recipient, conversation }: ReplyKnowledge): ContactIdentity {
  const { phone, bsuid, contactId, username, name } = conversation ?? {};
  const known = { phone: recipient ?? phone, bsuid, contactId, username, name };
  return { ...Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)), ...event.from };
}

/** The names under which a message may have been sent to this person. */
export const namesOf = ({ phone, bsuid, contactId }: ContactIdentity): string[] => [
  ...(phone === undefined ? [] : formsOf(phone)),
  ...[bsuid, contactId].filter((name) => name !== undefined),
];

/** The name to send a reply to. */
export const recipientOf = (person: ContactIdentity): string | undefined => namesOf(person)[0];

export function contactOf(person: ContactIdentity): { contact?: string } {
  const contact = recipientOf(person);
  return contact === undefined ? {} : { contact };
}

interface ReplyContext {
  person: ContactIdentity;
  knowledge: ReplyKnowledge;
  at: number;
  now: number;
}

function dataOf({ event, source }: ParsedReceived, { person, knowledge, at, now }: ReplyContext) {
  const { ids, content } = event;
  const { phone, bsuid, username, name } = person;
  const { lastInAt = 0, lastInSource, closedAt } = knowledge.conversation ?? {};
  const isLast = at >= lastInAt;
  const receivedBy = isLast ? (source === 'poll' ? 'history' : 'webhook') : lastInSource;
  const window = windowOf({ receivedAt: Math.max(at, lastInAt), receivedBy, closedAt }, now);
  return {
    id: ids.watiId ?? ids.whatsappMessageId ?? '',
    recipient: recipientOf(person) ?? '',
    ...(phone !== undefined && { phone }),
    ...(bsuid !== undefined && { bsuid }),
    ...(username !== undefined && { username }),
    ...(name !== undefined && { name }),
    ...content,
    ...(ids.whatsappMessageId !== undefined && { whatsappMessageId: ids.whatsappMessageId }),
    ...isoTimes({ at }),
    window: toWindow(window),
  };
}

/** The id of the quoted message is shown only to the caller that sent it. */
function replyTo(whatsappMessageId: string | undefined, quoted: TrackedSend | undefined, caller: string) {
  if (whatsappMessageId === undefined) return {};
  return { replyTo: { whatsappMessageId, ...(quoted?.caller === caller && { messageId: quoted.id }) } };
}
