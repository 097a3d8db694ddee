import { Problem } from './problem.ts';
import { StoreError } from './store/port.ts';
import { type QuotaLeft, QuotaSpent } from './store/quota-port.ts';

/*
 * What a caller hears while the store fails (delivery.md 2.6): what could not be recorded was not made. For `catch`; any
 * other error stays what it is.
 */

export function unreadable(cause: unknown): never {
  if (!(cause instanceof StoreError)) throw cause;
  throw new Problem('store-unavailable', 'the records cannot be read now', { cause, retryAfterS: 2 });
}

/** Of the record of a send: it may stand all the same and be sent, and neither "recorded" nor "not sent" would be true then. */
export function unrecorded(cause: unknown): never {
  if (cause instanceof QuotaSpent) throw quotaProblem(cause);
  if (!(cause instanceof StoreError) || cause.nothingWritten) throw asUnrecorded(cause);
  const detail =
    'it is not known whether it was recorded, and will be sent; asked again with the same Idempotency-Key it is sent once at most';
  // Whether it came with a key is not known here, and without one to repeat it may be to send it twice.
  throw new Problem('store-unavailable', detail, { cause, outcome: 'unknown', retryable: false });
}

export function asUnrecorded(cause: unknown): unknown {
  if (cause instanceof QuotaSpent) return quotaProblem(cause);
  if (!(cause instanceof StoreError)) return cause;
  const detail = 'it could not be recorded, so nothing was sent';
  return new Problem('store-unavailable', detail, { cause, outcome: 'not_sent', retryAfterS: 2 });
}

/** What a caller hears whose entry lets it have no more messages recorded now. */
function quotaProblem({ asked, state }: QuotaSpent): Problem {
  const quota = `your quota of ${state.limit} messages ${per[state.window]}`;
  const detail = asked > 1 ? `${asked} messages are more than the ${state.left} left of ${quota}` : `${quota} is spent`;
  return new Problem('quota-spent', `${detail}; nothing was sent`, {
    outcome: 'not_sent',
    // What is more than a whole window never fits.
    retryable: asked <= state.limit,
    retryAfterS: Math.max(1, Math.ceil(state.endsInMs / 1000)),
  });
}

const per: Record<QuotaLeft['window'], string> = { hour: 'an hour', day: 'a day' };
