import { Problem } from '../problem.ts';
import type { SendStore, StoredSend } from '../store/port.ts';

/** What a second request under a key hears (delivery.md 2.6). */

export const locationOf = ({ id }: Pick<StoredSend, 'id'>): string => `/v1/messages/${id}`;

export const isRunning = ({ status }: StoredSend): boolean => status === 'queued' || status === 'sending';

export const mismatch = (location: string): Problem =>
  new Problem('idempotency-mismatch', 'this key was used for a request with other content; nothing was sent', {
    headers: { location },
  });

export const inProgress = (location: string): Problem =>
  new Problem('idempotency-in-progress', 'the first request with this key is still running; it was not taken again', {
    retryAfterS: 1,
    headers: { location },
  });

/** The table of delivery.md 2.6. A file that never came in whole has no fingerprint to differ from, only a recipient. */
export function replay(
  store: Pick<SendStore, 'sameContent'>,
  known: StoredSend,
  fingerprint: string | undefined,
): { stored: StoredSend; replayed: true } {
  if (fingerprint !== undefined && store.sameContent(known, fingerprint) === false) throw mismatch(locationOf(known));
  if (isRunning(known)) throw inProgress(locationOf(known));
  return { stored: known, replayed: true };
}
