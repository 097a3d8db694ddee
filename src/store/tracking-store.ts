import type { DeliveryFacts, StoredDelivery } from './delivery-facts.ts';
import type { NewFact, StoredEvent } from './event-store.ts';
import type { IntakeRow, Postponement } from './intake-store.ts';
import type { Json, MessageKind, MessageStatus } from './message-store.ts';
import type { PollStore } from './poll-store.ts';

/**
 * What became of messages after they were accepted, and what is known of conversations. Types only, like message-store.ts, and
 * tested by the same conformance suite. Times are wall clock, ms.
 */

/** The ids by which an event names a message. */
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

/** What is to be written about one message; each `seq` once in a batch. */
export interface TrackedFacts {
  seq: number;
  facts: DeliveryFacts;
  /**
   * How the message was found. `id`: WATI named it, which proves that it was sent whatever is recorded. `content`: it probably
   * is the message, which only corrects `unknown`.
   */
  proof: 'id' | 'content';
  /** The outcome to record if this proves that the message was sent. */
  outcome: Json;
}

/** The ids and names of a person, as far as known. Two entries that share one of phone, bsuid and contact id are the same person. */
export interface ContactIdentity {
  phone?: string;
  bsuid?: string;
  parentBsuid?: string;
  contactId?: string;
  username?: string;
  name?: string;
  watiConversationId?: string;
}

/** What is to be written about one conversation; of each time the latest counts. */
export interface ConversationFacts {
  connectionId: string;
  /** Needs a phone, bsuid or contact id; without any the note is skipped. */
  contact: ContactIdentity;
  /** The customer wrote. */
  inAt?: number;
  inSource?: 'webhook' | 'history';
  /** WATI refused a message because the window was closed. */
  closedAt?: number;
  /** A sender other than this service wrote to the customer. */
  foreignOutAt?: number;
  /** The same, provisionally: the entry may yet turn out to be a message of this service. */
  provisionalOut?: { at: number; entry: number };
  /** Whose it is turned out: the provisional time of this entry no longer counts. Unless `foreignOutAt` is set, nothing else of these facts is kept. */
  endsProvisional?: { entry: number };
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

/** At most 64 entries of the intake, and the facts in them. */
export interface TrackingBatch {
  messages: readonly TrackedFacts[];
  conversations: readonly ConversationFacts[];
  /** Entries that this batch applies. Their bodies are deleted. */
  done: readonly number[];
  /** Entries that are to be tried again. */
  postponed: readonly Postponement[];
  /** Facts for callers, written in the same transaction. Those without a subscription or with an event already are left out. */
  facts?: readonly NewFact[];
}

/** The effect of a batch on one message. */
export interface TrackingChange {
  seq: number;
  /** Absent: nothing was known of its delivery before. */
  before?: StoredDelivery;
  /** Absent: the message is `queued` or was `cancelled` without ever having been sent; nothing is written. */
  after?: StoredDelivery;
  /**
   * The outcome that a proof replaced by `accepted`. Absent for a message that is still `sending`, which becomes `accepted`
   * when its attempt ends.
   */
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

/** The number of a broadcast's recipients in each of five states; `replied` is counted in addition to them. */
export interface DeliveryCounts {
  sent: number;
  failed: number;
  delivered: number;
  read: number;
  replied: number;
}

/** What is stored about a person in addition to messages. */
export interface PersonTracking {
  conversations: readonly Conversation[];
  webhooks: readonly Pick<IntakeRow, 'connectionId' | 'receivedAtMs' | 'body'>[];
}

export interface TrackingStore extends PollStore {
  /**
   * The message of this connection that each of these ids names, in their order: by our id, else WhatsApp's, else WATI's.
   * Messages that were never sent are not found.
   */
  findTracked(connectionId: string, ids: readonly EventIds[]): Promise<(TrackedSend | undefined)[]>;
  /**
   * Candidates for an event that names no known id: messages with this template, to this recipient, claimed between the two
   * times, and without a WhatsApp id. At most ten. If there are several, the event cannot be assigned to one of them.
   */
  findByContent(
    connectionId: string,
    like: { recipient: string; template: string },
    time: { from: number; until: number },
  ): Promise<TrackedSend[]>;

  /**
   * Writes a batch in one transaction. Facts are joined into what is known of their messages; a state never moves back,
   * whatever the order of batches and whichever process writes them. A proof by id makes `unknown`, `not_sent` and `rejected`
   * messages accepted, and queued ones that had an attempt. For a message that is `sending` the proof is stored, and makes it
   * `accepted` when its attempt ends in any other way (see `complete`). A match by content writes nothing to a message that is
   * neither `accepted` nor `unknown`. Returns the effect on each message, in their order, without messages that were deleted.
   * Safe to repeat.
   */
  applyTracking(batch: TrackingBatch): Promise<TrackingChange[]>;

  /** Counts of a broadcast, also when its recipients are deleted by age. The caller is not checked: call `findBroadcast` first. */
  deliveryCounts(broadcastId: string): Promise<DeliveryCounts>;

  /** Writes what is known of a conversation from other sources than the intake: a refusal, or a history. */
  noteConversations(facts: readonly ConversationFacts[]): Promise<void>;
  /** All that is known of one person, found by any of phone, bsuid and contact id, and joined. */
  conversation(
    connectionId: string,
    contact: Pick<ContactIdentity, 'phone' | 'bsuid' | 'contactId'>,
  ): Promise<Conversation | undefined>;
  /** The last accepted or unknown message to any of these recipients between two times, of one caller or of all, of any or of these kinds. */
  lastSendTo(connectionId: string, recipients: readonly string[], ask: LastSendAsk): Promise<LastSend | undefined>;

  /**
   * How many conversations, how many entries of the intake that are not applied yet, and how many events of callers, sent or not,
   * concern this person over all connections, by any id in its conversations.
   */
  countPersonTracking(to: string): Promise<{ conversations: number; waiting: number; events: number }>;
  /** The conversation on each connection, and the webhooks as they were received. */
  listPersonTracking(to: string): Promise<PersonTracking>;
  /** Events of callers about this person, by the same ids, oldest first. */
  listPersonEvents(to: string, ask: { after: number; limit: number }): Promise<StoredEvent[]>;
  /** Deletes these, and polls of any of the ids. Returns how many rows. */
  erasePersonTracking(to: string): Promise<number>;
}
