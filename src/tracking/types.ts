/**
 * What WATI tells of messages after it took them. Times are milliseconds of the wall
 * clock: of our receipt, or of WATI's history where a message was looked up there.
 */

/** 0: nothing known; 1 sent, 2 failed, 3 delivered, 4 read. A proof of delivery beats a failure, whenever it comes. */
export type DeliveryRank = 0 | 1 | 2 | 3 | 4;

export type DeliverySource = 'webhook' | 'poll';

export type StatusFact = 'sent' | 'failed' | 'delivered' | 'read' | 'replied';

export interface DeliveryFailure {
  code: string;
  detail: string;
}

/** What is known of one message. `joinFacts` of two of these is one again, in whatever order they are joined. */
export interface DeliveryFacts {
  rank: DeliveryRank;
  sentAt?: number;
  failedAt?: number;
  deliveredAt?: number;
  readAt?: number;
  repliedAt?: number;
  /** Stands at rank 2 alone. */
  failure?: DeliveryFailure;
  /** WATI's id of the message: the same in all of its events and in the history. */
  watiId?: string;
  whatsappMessageId?: string;
  /** Where the fact came from that decided the rank. */
  source: DeliverySource;
}

/** The ids by which an event can name a message, the surest first. */
export interface EventIds {
  localMessageId?: string;
  whatsappMessageId?: string;
  watiId?: string;
}

/** A contact, by whatever an event says of it. A username is a label and no key. */
export interface Identity {
  /** Digits with country code. */
  phone?: string;
  bsuid?: string;
  parentBsuid?: string;
  contactId?: string;
  username?: string;
  name?: string;
  watiConversationId?: string;
}

interface EventOfMessage {
  ids: EventIds;
  /** WATI's time; undefined: it says none that can be read. Of a status event it may be that of the message. */
  at?: number;
}

export interface StatusEvent extends EventOfMessage {
  kind: 'status';
  fact: StatusFact;
  /** On events of sending only; the others name no contact. */
  recipient?: Identity;
  /** The name of the template, of a template that was sent. */
  template?: string;
  failure?: DeliveryFailure;
}

/** A customer wrote. */
export interface ReceivedEvent extends EventOfMessage {
  kind: 'received';
  from: Identity;
}

/** A message went out as `message` with an owner: ours, or one of an operator or a bot. */
export interface OutgoingEvent extends EventOfMessage {
  kind: 'outgoing';
  recipient: Identity;
}

/** Who a contact is, and nothing about a message. */
export interface IdentityEvent {
  kind: 'identity';
  identity: Identity;
}

/** What moves no state: a tapped link, a template, a number or an account that changed, and every name that is not known. */
export interface OtherEvent {
  kind: 'clicked' | 'template' | 'account' | 'ignored';
}

/** What one member of a webhook body says. */
export type TrackedEvent = (StatusEvent | ReceivedEvent | OutgoingEvent | IdentityEvent | OtherEvent) & {
  /** A known name of an event, or `other`: fit for a metric. */
  label: string;
};
