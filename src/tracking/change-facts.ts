import { createHash } from 'node:crypto';
import type { NewFact } from '../store/event-store.ts';
import type { ContactIdentity, Conversation, TrackedSend, TrackingStore } from '../store/tracking-store.ts';
import type { FactOptions } from './fact-options.ts';
import type { ParsedEvent } from './matching.ts';
import { contactOf, namesOf, recipientOf } from './reply-facts.ts';
import type { AccountEvent, ClickedEvent, TemplateEvent, TrackedEvent } from './types.ts';

const digest = (...parts: unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 22);

/** The same change without a time of its own counts as another one after this long. */
const againMs = 10 * 60_000;

/** `message.clicked` for the caller that sent the message. The twins of a click make one event. */
export function clickFacts(
  { entry, event }: ParsedEvent<TrackedEvent & ClickedEvent>,
  send: TrackedSend,
  { audience, now }: FactOptions,
): NewFact[] {
  const { connectionId, seq } = entry;
  const topic = { type: 'message.clicked', connectionId } as const;
  if (!audience.subscribers(topic).some(({ id }) => id === send.caller)) return [];
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

/** `template.changed` or `account.changed` for all callers that may use the connection. */
export function changeFacts(
  { entry, event }: ParsedEvent<TrackedEvent & (TemplateEvent | AccountEvent)>,
  { audience, now }: FactOptions,
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
  const subscribers = audience.subscribers({ type: change.type, connectionId });
  return subscribers.map(({ id: caller }) => ({ caller, connectionId, ...change, at: now() }));
}

/** The ids and names in a webhook, and what was known about the person before. */
interface Sighting {
  connectionId: string;
  receivedAtMs: number;
  person: ContactIdentity;
  known: Conversation | undefined;
}

/** `contact.changed` for callers with `inbound: all`, and for those that wrote to this person recently. */
export async function contactFacts(
  { connectionId, receivedAtMs, person, known }: Sighting,
  { store, factOptions }: { store: Pick<TrackingStore, 'lastSendTo'>; factOptions: FactOptions },
): Promise<NewFact[]> {
  const topic = { type: 'contact.changed', connectionId } as const;
  const subscribers = factOptions.audience.subscribers(topic);
  const contact = subscribers.length === 0 ? undefined : changedContact(person, known);
  if (contact === undefined) return [];
  const names = [...new Set([...namesOf(person), ...namesOf(known ?? {})])];
  const since = receivedAtMs - factOptions.routingMs;
  const concerns = async ({ id: caller, inbound }: (typeof subscribers)[number]) =>
    inbound === 'all' || (await store.lastSendTo(connectionId, names, { since, caller })) !== undefined;
  const recipients = await Promise.all(subscribers.map(async (each) => ((await concerns(each)) ? [each.id] : [])));
  const who = recipientOf({ ...known, ...person });
  const fact = `c:${who}:${digest(connectionId, contact, Math.floor(receivedAtMs / againMs))}`;
  return recipients.flat().map((caller) => ({
    ...{ caller, ...topic, fact, at: factOptions.now() },
    ...contactOf({ ...known, ...person }),
    detail: { contact },
  }));
}

const identifiers = ['phone', 'bsuid', 'username'] as const;

/** Undefined if nothing is new. A single id of an unknown person is no change. */
function changedContact(person: ContactIdentity, known: Conversation | undefined) {
  const given = identifiers.filter((name) => person[name] !== undefined);
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
