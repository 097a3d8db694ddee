import type { Listener } from '../events/audience.ts';
import { isoTimes } from '../lib/iso-times.ts';
import type { NewFact } from '../store/event-store.ts';
import type {
  ContactIdentity,
  Conversation,
  ConversationFacts,
  TrackedSend,
  TrackingStore,
} from '../store/tracking-store.ts';
import { needsQuoted, type ParsedReceived } from './matching.ts';
import { foreignBefore, type Route, type RoutedBy, routeReply } from './reply-routing.ts';
import type { Telling } from './telling.ts';
import { receivedTime, toWindow, windowOf } from './window.ts';

/** What is known of an answer before its batch is applied. */
export interface AnswerKnowledge {
  /** The message of ours that it quotes. */
  quoted: TrackedSend | undefined;
  /** The number of a customer who names none, by the quoted message or by an earlier one. */
  recipient: string | undefined;
  conversation: Conversation | undefined;
  /** What its batch says of conversations. */
  batch: readonly ConversationFacts[];
}

export interface ToldAnswer {
  facts: NewFact[];
  routedBy?: RoutedBy;
  /** It is to be told at its next try. */
  waits?: true;
  /** It is told without what it waited for. There is no further try: to whom it was told stands. */
  isSettled?: true;
}

const untold: ToldAnswer = { facts: [] };

/** By then a quoted message would be known: 30 s after the receipt. */
const triesForQuote = 3;
/** By then it is known of a message that was just sent whether it is ours: 5 s after the receipt. */
const triesForForeign = 2;
const justNowMs = 5_000;

/** `message.received` for each caller that is to hear of an answer. */
export async function tellAnswer(
  parsed: ParsedReceived,
  knowledge: AnswerKnowledge,
  { store, telling }: { store: Pick<TrackingStore, 'lastSendTo'>; telling: Telling },
): Promise<ToldAnswer> {
  const { entry, event, source } = parsed;
  const { connectionId, receivedAtMs, tries } = entry;
  const topic = { type: 'message.received', connectionId } as const;
  const listeners = telling.audience.listeners(topic);
  const fact = factOf(parsed);
  if (listeners.length === 0 || fact === undefined || isStale(parsed, telling.staleMs)) return untold;
  // Without its quoted message it is told once, when that is not to be expected any more.
  const isPatient = source === 'webhook' && needsQuoted(parsed) && knowledge.recipient === undefined;
  if (isPatient && tries < triesForQuote) return untold;

  const person = identityOf(parsed, knowledge);
  const at = receivedTime(event.at, receivedAtMs);
  const foreign = foreignBefore(at, person, { known: knowledge.conversation, batch: knowledge.batch });
  const reply = {
    ...{ connectionId, at, receivedAt: receivedAtMs, names: namesOf(person), foreign },
    quoted: knowledge.quoted,
    hasQuote: event.replyTo !== undefined,
    isButton: event.content.button !== undefined,
  };
  const route = await routeReply(store, reply, telling.routingMs);
  const isUnsure = route.isUnsure === true && foreign.provisional > receivedAtMs - justNowMs;
  if (isUnsure && source === 'webhook' && tries < triesForForeign) return { facts: [], waits: true };

  const owner = listeners.find(({ id }) => id === route.owner);
  const routedBy = owner ? route.routedBy : 'unrouted';
  const data = dataOf(parsed, { person, knowledge, at, now: telling.now() });
  const told = listeners.flatMap((listener) => {
    const how = howTold(listener, owner, { routedBy });
    return how === undefined ? [] : [{ caller: listener.id, routedBy: how }];
  });
  const facts = told.map(({ caller, routedBy: how }) => ({
    ...{ caller, connectionId, type: topic.type, fact, at: telling.now() },
    ...contactOf(person),
    detail: { received: { ...data, ...replyTo(event.replyTo, knowledge.quoted, caller), routedBy: how } },
  }));
  return { facts, routedBy, ...(isPatient && { isSettled: true }) };
}

/** A customer's message that says it is so old may have been told already: what was told of it is not kept any longer. */
export const isStale = ({ entry, event }: ParsedReceived, staleMs: number): boolean =>
  event.at !== undefined && event.at < entry.receivedAtMs - staleMs;

/** The same in a webhook, in its twins and in a history: WATI's id of the message, since a history may have no other. */
function factOf({ entry, event: { ids }, source }: ParsedReceived): string | undefined {
  const id = ids.watiId ?? ids.whatsappMessageId;
  if (id !== undefined) return `in:${id}`;
  return source === 'poll' ? undefined : `in:entry-${entry.seq}`;
}

/** Undefined: it hears nothing of it. */
function howTold(listener: Listener, owner: Listener | undefined, route: Route): string | undefined {
  if (listener === owner) return route.routedBy;
  if (listener.inbound === 'all') return owner ? 'all' : 'unrouted';
  return listener.inbound === 'unrouted' && !owner ? 'unrouted' : undefined;
}

/** Who wrote, with all that is known of the person. What the message itself says wins. */
function identityOf({ event }: ParsedReceived, { recipient, conversation }: AnswerKnowledge): ContactIdentity {
  const { phone, bsuid, contactId, username, name } = conversation ?? {};
  const known = { phone: recipient ?? phone, bsuid, contactId, username, name };
  return { ...Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)), ...event.from };
}

export const namesOf = ({ phone, bsuid, contactId }: ContactIdentity): string[] =>
  [phone, bsuid, contactId].filter((name) => name !== undefined);

/** What can be given back as `to`. */
export const recipientOf = (person: ContactIdentity): string | undefined => namesOf(person)[0];

export function contactOf(person: ContactIdentity): { contact?: string } {
  const contact = recipientOf(person);
  return contact === undefined ? {} : { contact };
}

interface Telltale {
  person: ContactIdentity;
  knowledge: AnswerKnowledge;
  at: number;
  now: number;
}

function dataOf({ event, source }: ParsedReceived, { person, knowledge, at, now }: Telltale) {
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

/** Which message of ours it quotes is told to its caller alone. */
function replyTo(whatsappMessageId: string | undefined, quoted: TrackedSend | undefined, caller: string) {
  if (whatsappMessageId === undefined) return {};
  return { replyTo: { whatsappMessageId, ...(quoted?.caller === caller && { messageId: quoted.id }) } };
}
