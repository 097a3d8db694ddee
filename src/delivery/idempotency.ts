import { Problem } from '../problem.ts';
import type { MessageStore, StoredMessage } from '../store/message-store.ts';

/** Answers a repeated request with the same idempotency key. */

export const locationOf = ({ id }: Pick<StoredMessage, 'id'>): string => `/v1/messages/${id}`;

export const isRunning = ({ status }: StoredMessage): boolean => status === 'queued' || status === 'sending';

export const keyReused = (location: string): Problem =>
  new Problem('idempotency-mismatch', 'this key was used for a request with other content; nothing was sent', {
    headers: { location },
  });

export const keyInProgress = (location: string): Problem =>
  new Problem('idempotency-in-progress', 'the first request with this key is still running; it was not taken again', {
    retryAfterS: 1,
    headers: { location },
  });

/**
 * A repeated request: other content is refused, an unfinished message is in progress, a final one is answered from its
 * record. A file that never arrived in full has no fingerprint to compare, only a recipient.
 */
export function replay(
  store: Pick<MessageStore, 'sameContent'>,
  known: StoredMessage,
  fingerprint: string | undefined,
): { stored: StoredMessage; replayed: true } {
  if (fingerprint !== undefined && store.sameContent(known, fingerprint) === false) throw keyReused(locationOf(known));
  if (isRunning(known)) throw keyInProgress(locationOf(known));
  return { stored: known, replayed: true };
}
