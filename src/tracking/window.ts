import { isoTimes } from '../lib/iso-times.ts';

/** How long after the customer's last message WhatsApp accepts messages other than templates. */
const openMs = 24 * 3_600_000;

/** The facts from which follows whether a conversation is open. */
export interface WindowKnowledge {
  /** When the customer last wrote. */
  receivedAt?: number | undefined;
  receivedBy?: 'webhook' | 'history' | undefined;
  /** When WATI last refused a message because the window was closed. */
  closedAt?: number | undefined;
}

export interface ConversationWindow {
  /** Absent: unknown, which does not mean closed. */
  open?: boolean;
  expiresAt?: number;
  source: 'webhook' | 'history' | 'refusal' | 'none';
}

const second = (ms: number): number => Math.floor(ms / 1_000);

/**
 * The most recent fact decides. A refusal wins over a message that is older or of the same second, because WATI may close a
 * conversation before WhatsApp does.
 */
export function windowOf({ receivedAt, receivedBy, closedAt }: WindowKnowledge, now: number): ConversationWindow {
  if (closedAt !== undefined && (receivedAt === undefined || second(closedAt) >= second(receivedAt))) {
    return { open: false, source: 'refusal' };
  }
  if (receivedAt === undefined) return { source: 'none' };
  const expiresAt = receivedAt + openMs;
  return { open: now < expiresAt, expiresAt, source: receivedBy ?? 'webhook' };
}

/** When a customer wrote: WATI's time, at the latest the time of receipt; the time of receipt if WATI gives none. */
export const receivedTime = (at: number | undefined, receivedAtMs: number): number =>
  Math.min(at ?? receivedAtMs, receivedAtMs);

/** As callers see it. */
export const toWindow = ({ open, expiresAt, source }: ConversationWindow) => ({
  ...(open !== undefined && { open }),
  ...isoTimes({ expiresAt }),
  source,
});
