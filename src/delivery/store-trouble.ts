import { Problem } from '../problem.ts';
import { StoreError } from '../store/port.ts';

/*
 * What a caller hears while the store fails (delivery.md 2.6): what could not be recorded was not made. For `catch`; any
 * other error stays what it is.
 */

export function unreadable(cause: unknown): never {
  if (!(cause instanceof StoreError)) throw cause;
  throw new Problem('store-unavailable', 'the records cannot be read now', { cause, retryAfterS: 2 });
}

export function unrecorded(cause: unknown): never {
  throw asUnrecorded(cause);
}

export function asUnrecorded(cause: unknown): unknown {
  if (!(cause instanceof StoreError)) return cause;
  const detail = 'it could not be recorded, so nothing was sent';
  return new Problem('store-unavailable', detail, { cause, outcome: 'not_sent', retryAfterS: 2 });
}
