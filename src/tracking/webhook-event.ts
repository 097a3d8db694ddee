import { cutText } from '../lib/cut-text.ts';
import type { ContactIdentity, EventIds } from '../store/tracking-store.ts';
import { asText, firstOf, flagOf } from '../upstream/answers/fields.ts';
import type { JsonObject } from '../upstream/tolerant-reader.ts';
import { accountEvent, templateEvent } from './account-events.ts';
import { unexplained } from './delivery-state.ts';
import { failureOf, identityOf, idsOf, quotedIn, templateNameOf, timeOf } from './event-fields.ts';
import { eventName, eventTypeOf, isEvent, meaningOf } from './event-names.ts';
import { receivedContent } from './received-content.ts';
import type { ClickedEvent, StatusEvent, StatusFact, TrackedEvent } from './types.ts';

/**
 * Parses one member of a webhook body. A member that is not understood is `ignored` with the label `other`, because a repeat of
 * the webhook would not change it. Never throws.
 */
export function readWebhookEvent(member: unknown): TrackedEvent {
  if (!isEvent(member)) return { kind: 'ignored', label: 'other' };
  const label = eventName(eventTypeOf(member));
  const meaning = meaningOf(label);
  if (!meaning) return { kind: 'ignored', label: 'other' };
  switch (meaning.kind) {
    case 'status':
      return { ...statusEvent(member, meaning.fact), label };
    case 'message':
      return { ...messageEvent(member), label };
    case 'identity': {
      const identity = identityOf(member);
      return isAnybody(identity) ? { kind: 'identity', identity, label } : { kind: 'ignored', label };
    }
    case 'clicked':
      return { ...clickedEvent(member), label };
    case 'template':
      return { ...(templateEvent(member) ?? { kind: 'ignored' }), label };
    case 'account':
      return { ...accountEvent(member, label), label };
  }
}

const urlMax = 2_048;
const buttonMax = 512;

function clickedEvent(member: JsonObject): ClickedEvent | { kind: 'ignored' } {
  const ids = idsOf(member);
  if (!hasId(ids)) return { kind: 'ignored' };
  const text = asText(firstOf(member, 'displayText', 'buttonText'));
  const url = asText(firstOf(member, 'buttonUrl', 'url'));
  // When it was clicked, and not when the message went out.
  const at = timeOf(member, 'created', 'timestamp');
  return {
    kind: 'clicked',
    ids,
    click: {
      ...(text !== undefined && { text: cutText(text, buttonMax) }),
      ...(url !== undefined && { url: cutText(url, urlMax) }),
    },
    ...(at !== undefined && { at }),
  };
}

function statusEvent(member: JsonObject, fact: StatusFact): StatusEvent | { kind: 'ignored' } {
  const ids = idsOf(member);
  const recipient = identityOf(member);
  if (!hasId(ids) && !isAnybody(recipient)) return { kind: 'ignored' };
  const template = fact === 'sent' ? templateNameOf(member) : undefined;
  const failure = fact === 'failed' ? (failureOf(member) ?? unexplained) : undefined;
  return {
    kind: 'status',
    fact,
    ids,
    ...atOf(member),
    ...(isAnybody(recipient) && { recipient }),
    ...(template !== undefined && { template }),
    ...(failure && { failure }),
  };
}

/** Only `owner` shows who wrote the message: `statusString` is SENT for a customer's message as well. */
function messageEvent(member: JsonObject) {
  const isOurs = ownerOf(member);
  const identity = identityOf(member);
  const ids = idsOf(member);
  const about = { ids, ...atOf(member) };
  if (isOurs === undefined || !isAnybody(identity)) return { kind: 'ignored' as const };
  if (isOurs) return { kind: 'outgoing' as const, recipient: identity, ...about };
  const replyTo = quotedIn(member);
  const content = receivedContent(member);
  return { kind: 'received' as const, from: identity, ...about, ...(replyTo !== undefined && { replyTo }), content };
}

function ownerOf(member: JsonObject): boolean | undefined {
  const owner = firstOf(member, 'owner');
  if (owner === 0 || owner === '0') return false;
  return owner === 1 || owner === '1' ? true : flagOf(owner);
}

/** The time of a message: `timestamp` is WhatsApp's, `created` is WATI's. */
function atOf(member: JsonObject): { at?: number } {
  const at = timeOf(member, 'timestamp', 'created');
  return at === undefined ? {} : { at };
}

const hasId = (ids: EventIds): boolean => Object.keys(ids).length > 0;

/** Whether an id of the person is known, and not only a name. */
const isAnybody = ({ phone, bsuid, contactId, watiConversationId }: ContactIdentity): boolean =>
  (phone ?? bsuid ?? contactId ?? watiConversationId) !== undefined;
