import { Problem } from '../problem.ts';

/** What a second request under a key hears that is not answered from the record (delivery.md 2.6). */

export const mismatch = (location: string) =>
  new Problem('idempotency-mismatch', 'this key was used for a request with other content; nothing was sent', {
    headers: { location },
  });

export const inProgress = (location: string) =>
  new Problem('idempotency-in-progress', 'the first request with this key is still running; it was not taken again', {
    retryAfterS: 1,
    headers: { location },
  });
