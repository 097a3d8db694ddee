import type { DeliveryFacts, StoredDelivery } from './delivery-facts.ts';
import type { NewFact, StoredEvent } from './event-store.ts';
import type { Postponement } from './intake-store.ts';
import type { Json, MessageKind, MessageStatus } from './message-store.ts';
import type { PollStore } from './poll-store.ts';

/**
 * What became of messages after they were accepted, and what is known of conversations. Types only, like message-store.ts, and held to
 * by the same conformance suite. Times are wall clock, ms.
 */

/** By which an event names a message. */
export interface EventIds {
  localMessageId?: string;
  whatsappMessageId?: string;
  watiId?: string;
}

export type FoundBy = 'local-id' | 'whatsapp-id' | 'wati-id' | 'content';

/** A message that was found for an event. */
export interface TrackedSend {
  seq: number;
  id: string;
  caller: string;
  status: MessageStatus;
  kind: MessageKind;
  to?: string;
  template?: string;
  broadcastId?: string;
  whatsappMessageId?: string;
  /** When its last attempt began. */
  sentAt?: number;
  foundBy: FoundBy;
  delivery?: StoredDelivery;
}

/** What is to be told of one message; each `seq` once in a batch. */
export interface TrackedFacts {
  seq: number;
  facts: DeliveryFacts;
  /**
   * `id`: WATI named it, which proves that it was sent whatever is recorded. `content`: it is believed to be the one, which only
   * corrects what is unknown.
   */
  proof: 'id' | 'content';
  /** How it ended, if this is what proves it. */
  outcome: Json;
}

/** What names a person. Each may be known or not; whoever shares one of phone, bsuid and contact id is the same. */
export interface ContactIdentity {
  phone?: string;
  bsuid?: string;
  parentBsuid?: string;
  contactId?: string;
  username?: string;
  name?: string;
  watiConversationId?: string;
}

/** What is to be told of one conversation; the latest of each time stays. */
export interface ConversationFacts {
  connectionId: string;
  /** With a phone, bsuid or contact id; without any it is passed over. */
  contact: ContactIdentity;
  /** The customer wrote. */
  inAt?: number;
  inSource?: 'webhook' | 'history';
  /** WATI refused a message because the window is closed. */
  closedAt?: number;
  /** Somebody else wrote to the customer. */
  foreignOutAt?: number;
  /** The same as far as known: this entry may yet turn out to be a message of ours. */
  provisionalOut?: { at: number; entry: number };
  /** It did. Without `foreignOutAt` nothing else is kept of these facts. */
  withdrawn?: { entry: number };
}

export interface Conversation extends ContactIdentity {
  connectionId: string;
  lastInAt?: number;
  lastInSource?: 'webhook' | 'history';
  closedAt?: number;
  /** The last that is certain to be of somebody else, and the last that may yet turn out to be ours. */
  certainOutAt?: number;
  provisionalOut?: { at: number; entry: number };
  /** The later of the two. */
  lastForeignOutAt?: number;
}

/** At most 64 entries of the intake, and what they say. */
export interface TrackingBatch {
  messages: readonly TrackedFacts[];
  conversations: readonly ConversationFacts[];
  /** Entries that are applied with this: their bodies go. */
  done: readonly number[];
  /** Entries that are to be tried again. */
  postponed: readonly Postponement[];
  /** For callers: those that asked for its type and are not told of it yet are written down with the rest. */
  facts?: readonly NewFact[];
}

/** What a batch did to one message. */
export interface TrackingChange {
  seq: number;
  /** Absent: nothing was known before. */
  before?: StoredDelivery;
  /** Absent: it is `queued` or `cancelled` without ever having been sent, and nothing is written of it. */
  after?: StoredDelivery;
  /** The outcome that a proof replaced by `accepted`. One that is `sending` still is not resolved, but will be. */
  resolved?: MessageStatus;
}

export interface LastSend {
  seq: number;
  id: string;
  caller: string;
  to: string;
  sentAt: number;
}

export interface LastSendAsk {
  since: number;
  until?: number;
  caller?: string;
  kinds?: readonly MessageKind[];
}

/** The five counts of a broadcast's recipients that are in each of the states now; `replied` counts beside the others. */
export interface DeliveryCounts {
  sent: number;
  failed: number;
  delivered: number;
  read: number;
  replied: number;
}

export interface TrackingStore extends PollStore {
  /**
   * The message of this connection that each of these names, in their order: by our id, else WhatsApp's, else WATI's. Nothing
   * that never was sent is found.
   */
  findTracked(connectionId: string, ids: readonly EventIds[]): Promise<(TrackedSend | undefined)[]>;
  /**
   * The messages that an event without a known id may be about: with this template, to this recipient, claimed between the two
   * times, without an id of WhatsApp. At most ten; of several, nothing tells which one is meant.
   */
  findByContent(
    connectionId: string,
    like: { recipient: string; template: string },
    time: { from: number; until: number },
  ): Promise<TrackedSend[]>;

  /**
   * One transaction. Joins facts into what is known of their messages, which never moves back, whatever is told when and by
   * which process. A proof by id makes `unknown`, `not_sent` and `rejected` accepted, and what is queued again after an attempt;
   * a message that is `sending` keeps it, and whatever ends the attempt otherwise makes it `accepted` too (see `complete`). Of
   * one that is matched by content, and is neither `accepted` nor `unknown`, nothing is written.
   * Answers what it did to each message, in their order; one that is gone is left out. May be asked again.
   */
  applyTracking(batch: TrackingBatch): Promise<TrackingChange[]>;

  /** Of a broadcast, also when its recipients are deleted by age. Whose it is, `findBroadcast` has said. */
  deliveryCounts(broadcastId: string): Promise<DeliveryCounts>;

  /** What is known of a conversation without any entry of the intake: a refusal, or a history that was read. */
  noteConversations(facts: readonly ConversationFacts[]): Promise<void>;
  /** All that is known of one person, by any of phone, bsuid and contact id, joined. */
  conversation(
    connectionId: string,
    contact: Pick<ContactIdentity, 'phone' | 'bsuid' | 'contactId'>,
  ): Promise<Conversation | undefined>;
  /** The last accepted or unknown message to any of these recipients between two times, of one caller or of all, of any or of these kinds. */
  lastSendTo(connectionId: string, recipients: readonly string[], ask: LastSendAsk): Promise<LastSend | undefined>;

  /**
   * How many conversations, how many entries of the intake that are not applied yet, and how many events of callers, told or not, name
   * this person over all connections, by any id that its conversations know.
   */
  countPersonTracking(to: string): Promise<{ conversations: number; waiting: number; events: number }>;
  /** Events of callers about this person, by the same ids, oldest first. */
  listPersonEvents(to: string, ask: { after: number; limit: number }): Promise<StoredEvent[]>;
  /** Deletes the same, and polls of any of these ids. Answers how many rows. */
  erasePersonTracking(to: string): Promise<number>;
}
