import type { DeliveryFacts } from '../store/delivery-facts.ts';
import type { ContactIdentity, EventIds } from '../store/tracking-store.ts';

/** Webhooks of WATI, parsed. Times are milliseconds of the wall clock. */

export type DeliveryFailure = NonNullable<DeliveryFacts['failure']>;
export type DeliverySource = DeliveryFacts['source'];

export type StatusFact = 'sent' | 'failed' | 'delivered' | 'read' | 'replied';

interface EventOfMessage {
  ids: EventIds;
  /** WATI's time; undefined: the event has no time that can be parsed. For a status event it may be the time of the message. */
  at?: number;
}

export interface StatusEvent extends EventOfMessage {
  kind: 'status';
  fact: StatusFact;
  /** Only on events of sending; other events name no contact. */
  recipient?: ContactIdentity;
  /** The template's name, if a template was sent. */
  template?: string;
  failure?: DeliveryFailure;
}

/** A customer wrote. */
export interface ReceivedEvent extends EventOfMessage {
  kind: 'received';
  from: ContactIdentity;
  /** WhatsApp's id of the message that this one quotes. */
  replyTo?: string;
  content: ReceivedContent;
}

export interface ReceivedContent {
  /** WATI's word, such as text, image or button. */
  type: string;
  text?: string;
  /** The text was cut. */
  truncated?: true;
  media?: { path: string };
  button?: { text: string; payload?: string };
}

/** The company sent a message with an owner: this service, an operator or a bot. */
export interface OutgoingEvent extends EventOfMessage {
  kind: 'outgoing';
  recipient: ContactIdentity;
}

/** A contact was created or changed; there is no message. */
export interface IdentityEvent {
  kind: 'identity';
  identity: ContactIdentity;
}

/** A customer opened the link of a button. */
export interface ClickedEvent extends EventOfMessage {
  kind: 'clicked';
  click: { text?: string; url?: string };
}

/** A change of a template. `key` is equal for twins and repeats of one change. */
export interface TemplateEvent {
  kind: 'template';
  template: { name: string; status?: string; quality?: string; category?: string; reason?: string };
  key: string;
  at?: number;
}

export interface AccountEvent {
  kind: 'account';
  account: { what: string; detail: string };
  key: string;
  at?: number;
}

/** Unknown names, and events without usable content. */
export interface OtherEvent {
  kind: 'ignored';
}

/** One member of a webhook body, parsed. */
export type TrackedEvent = (
  | StatusEvent
  | ReceivedEvent
  | OutgoingEvent
  | ClickedEvent
  | IdentityEvent
  | TemplateEvent
  | AccountEvent
  | OtherEvent
) & {
  /** A known name of an event, or `other`: fit for a metric. */
  label: string;
};
