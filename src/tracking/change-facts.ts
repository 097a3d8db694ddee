import { createHash } from 'node:crypto';
import type { NewFact } from '../store/event-store.ts';
import type { ContactIdentity, Conversation, TrackedSend, TrackingStore } from '../store/tracking-store.ts';
import { contactOf, namesOf, recipientOf } from './answer-facts.ts';
import type { ParsedEvent } from './matching.ts';
import type { Telling } from './telling.ts';
import type { AccountEvent, ClickedEvent, TemplateEvent, TrackedEvent } from './types.ts';

const digest = (...parts: unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 22);

/** What says no time is told again if it comes again so much later. */
const againMs = 10 * 60_000;

/** `message.clicked` for the caller of the message. Twins of one click are one. */
export function tellClick(
  { entry, event }: ParsedEvent<TrackedEvent & ClickedEvent>,
  send: TrackedSend,
  { audience, now }: Telling,
): NewFact[] {
  const { connectionId, seq } = entry;
  const topic = { type: 'message.clicked', connectionId } as const;
  if (!audience.listeners(topic).some(({ id }) => id === send.caller)) return [];
  const { click, at } = event;
  const key = digest(send.seq, click.url, click.text, at ?? seq);
  return [
    {
      ...{ caller: send.caller, ...topic, fact: `click:${key}`, at: now(), sendSeq: send.seq },
      ...(send.to !== undefined && { contact: send.to }),
      detail: { click },
    },
  ];
}

/** `template.changed` and `account.changed` for all who may use the connection. */
export function tellChange(
  { entry, event }: ParsedEvent<TrackedEvent & (TemplateEvent | AccountEvent)>,
  { audience, now }: Telling,
): NewFact[] {
  const { connectionId, receivedAtMs } = entry;
  const key = digest(connectionId, event.key, event.at ?? Math.floor(receivedAtMs / againMs));
  const change =
    event.kind === 'template'
      ? {
          type: 'template.changed' as const,
          fact: `t:${event.template.name}:${key}`,
          detail: { template: event.template },
        }
      : { type: 'account.changed' as const, fact: `a:${key}`, detail: { account: event.account } };
  const listeners = audience.listeners({ type: change.type, connectionId });
  return listeners.map(({ id: caller }) => ({ caller, connectionId, ...change, at: now() }));
}

/** A person of whom an id or a name is learnt, or is another one than before. */
interface Sighting {
  connectionId: string;
  receivedAtMs: number;
  person: ContactIdentity;
  known: Conversation | undefined;
}

/** `contact.changed` for callers that hear of all customers, and for those who wrote to this one of late. */
export async function tellContact(
  { connectionId, receivedAtMs, person, known }: Sighting,
  { store, telling }: { store: Pick<TrackingStore, 'lastSendTo'>; telling: Telling },
): Promise<NewFact[]> {
  const topic = { type: 'contact.changed', connectionId } as const;
  const listeners = telling.audience.listeners(topic);
  const contact = listeners.length === 0 ? undefined : changedContact(person, known);
  if (contact === undefined) return [];
  const names = [...new Set([...namesOf(person), ...namesOf(known ?? {})])];
  const since = receivedAtMs - telling.routingMs;
  const isTold = async ({ id: caller, inbound }: (typeof listeners)[number]) =>
    inbound === 'all' || (await store.lastSendTo(connectionId, names, { since, caller })) !== undefined;
  const told = await Promise.all(listeners.map(async (each) => ((await isTold(each)) ? [each.id] : [])));
  const who = recipientOf({ ...known, ...person });
  const fact = `c:${who}:${digest(connectionId, contact, Math.floor(receivedAtMs / againMs))}`;
  return told.flat().map((caller) => ({
    ...{ caller, ...topic, fact, at: telling.now() },
    ...contactOf({ ...known, ...person }),
    detail: { contact },
  }));
}

const told = ['phone', 'bsuid', 'username'] as const;

/** Undefined: nothing is new. Of somebody unknown a single id is no news: it came with what they did. */
function changedContact(person: ContactIdentity, known: Conversation | undefined) {
  const given = told.filter((name) => person[name] !== undefined);
  const changed = given.filter((name) => person[name] !== known?.[name]);
  if (namesOf(person).length === 0 || changed.length < (known ? 1 : 2)) return undefined;
  const { phone, bsuid, username } = { ...known, ...person };
  const previousBsuid = person.bsuid !== undefined && known?.bsuid !== person.bsuid ? known?.bsuid : undefined;
  return {
    ...(phone !== undefined && { phone }),
    ...(bsuid !== undefined && { bsuid }),
    ...(previousBsuid !== undefined && { previousBsuid }),
    ...(username !== undefined && { username }),
  };
}
