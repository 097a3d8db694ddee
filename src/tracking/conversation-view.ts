import { throwStoreUnreadable } from '../store/store-problems.ts';
import type { Conversation, LastSend, TrackingStore } from '../store/tracking-store.ts';
import { contactNamed } from './contact.ts';
import { type ConversationWindow, receivedTime, windowOf } from './window.ts';

/** The conversation with one person, as far as it is known. */
export interface ConversationView {
  known?: Conversation;
  /** The ids that are known, or the one that was requested. */
  phone?: string;
  window: ConversationWindow;
  lastSend?: LastSend;
  /** The message that a reply would be assigned to. Another caller's name is not shown. */
  repliesTo: 'you' | 'other' | 'nobody';
}

export type ConversationStore = Pick<TrackingStore, 'conversation' | 'lastSendTo' | 'noteConversations'>;

export interface ConversationAsk {
  connectionId: string;
  recipient: string;
  caller: string;
  /** Wall clock, ms. */
  now: number;
}

/** For this long after its last message, a caller is the one that a reply is assigned to. */
const routingMs = 168 * 3_600_000;

export async function viewConversation(store: ConversationStore, ask: ConversationAsk): Promise<ConversationView> {
  const { connectionId, recipient, caller, now } = ask;
  const asked = contactNamed(recipient);
  const known = await store.conversation(connectionId, asked).catch(throwStoreUnreadable);
  const phone = known?.phone ?? asked.phone;
  const names = [recipient, known?.phone, known?.bsuid, known?.contactId].filter((name) => name !== undefined);
  const lastSend = await store.lastSendTo(connectionId, [...new Set(names)], { since: 0 }).catch(throwStoreUnreadable);
  const { lastInAt: receivedAt, lastInSource: receivedBy, closedAt, lastForeignOutAt = 0 } = known ?? {};
  const isAnswered = lastSend && lastSend.sentAt >= now - routingMs && lastSend.sentAt >= lastForeignOutAt;
  return {
    ...(known && { known }),
    ...(phone !== undefined && { phone }),
    window: windowOf({ receivedAt, receivedBy, closedAt }, now),
    ...(lastSend && { lastSend }),
    repliesTo: isAnswered ? (lastSend.caller === caller ? 'you' : 'other') : 'nobody',
  };
}

/** Adds times at which the customer wrote, from a history. */
export async function noteHistory(
  store: ConversationStore,
  { connectionId, recipient, now }: ConversationAsk,
  times: readonly number[],
): Promise<void> {
  if (times.length === 0) return;
  const inAt = receivedTime(Math.max(...times), now);
  const fact = { connectionId, contact: contactNamed(recipient), inAt, inSource: 'history' as const };
  await store.noteConversations([fact]).catch(throwStoreUnreadable);
}
