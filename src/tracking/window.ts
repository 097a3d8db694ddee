import { isoTimes } from '../lib/iso-times.ts';

/** How long WhatsApp takes free text after the customer's last message. */
const openMs = 24 * 3_600_000;

/** The facts from which it follows whether a conversation is open. */
export interface WindowKnowledge {
  /** When the customer last wrote. */
  receivedAt?: number | undefined;
  receivedBy?: 'webhook' | 'history' | undefined;
  /** When a message was last refused because the window was closed. */
  closedAt?: number | undefined;
}

export interface ConversationWindow {
  /** Absent: not known, which is not closed. */
  open?: boolean;
  expiresAt?: number;
  source: 'webhook' | 'history' | 'refusal' | 'none';
}

const second = (ms: number): number => Math.floor(ms / 1_000);

/**
 * The newest knowledge wins. A refusal beats a message that is older or of the same second, because WATI may close a conversation
 * before WhatsApp does.
 */
export function windowOf({ receivedAt, receivedBy, closedAt }: WindowKnowledge, now: number): ConversationWindow {
  if (closedAt !== undefined && (receivedAt === undefined || second(closedAt) >= second(receivedAt))) {
    return { open: false, source: 'refusal' };
  }
  if (receivedAt === undefined) return { source: 'none' };
  const expiresAt = receivedAt + openMs;
  return { open: now < expiresAt, expiresAt, source: receivedBy ?? 'webhook' };
}

/** When a customer wrote: WATI's time, which cannot be later than its receipt; without one the receipt. */
export const receivedTime = (at: number | undefined, receivedAtMs: number): number =>
  Math.min(at ?? receivedAtMs, receivedAtMs);

/** As callers are told of it. */
export const toWindow = ({ open, expiresAt, source }: ConversationWindow) => ({
  ...(open !== undefined && { open }),
  ...isoTimes({ expiresAt }),
  source,
});
