import { throwStoreUnreadable } from '../store/store-problems.ts';
import type { Conversation, LastSend, TrackingStore } from '../store/tracking-store.ts';
import { contactNamed } from './contact.ts';
import { type ConversationWindow, receivedTime, windowOf } from './window.ts';

/** The conversation with one person, as far as it is known. */
export interface ConversationView {
  known?: Conversation;
  /** Known, or what was asked for. */
  phone?: string;
  window: ConversationWindow;
  lastSend?: LastSend;
  /** The message that an answer would follow; another caller's name is not shown. */
  repliesTo: 'you' | 'other' | 'nobody';
}

export type ConversationStore = Pick<TrackingStore, 'conversation' | 'lastSendTo' | 'noteConversations'>;

export interface ConversationAsk {
  connectionId: string;
  recipient: string;
  caller: string;
  /** Wall clock, ms. */
  now: number;
  /** For this long after its message, a caller counts as the one an answer is for. */
  routingMs: number;
}

export async function viewConversation(store: ConversationStore, ask: ConversationAsk): Promise<ConversationView> {
  const { connectionId, recipient, caller, now, routingMs } = ask;
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

/** The customer wrote at these times, by the history. */
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
