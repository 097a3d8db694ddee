import { Problem } from '../problem.ts';
import { StoreError } from './errors.ts';
import { QuotaExceededError, type QuotaLeft } from './quota-store.ts';

/*
 * Converts store errors to Problems: what could not be recorded was not sent. For use in `catch`; other errors are rethrown
 * unchanged.
 */

export function throwStoreUnreadable(cause: unknown): never {
  if (!(cause instanceof StoreError)) throw cause;
  throw new Problem('store-unavailable', 'the records cannot be read now', { cause, retryAfterS: 2 });
}

/**
 * For the insert of a message. If the commit is in doubt the message may be sent all the same, so neither "recorded" nor "not
 * sent" is certain.
 */
export function throwInsertFailed(cause: unknown): never {
  if (cause instanceof QuotaExceededError) throw quotaProblem(cause);
  if (!(cause instanceof StoreError) || cause.notCommitted) throw toInsertProblem(cause);
  const detail =
    'it is not known whether it was recorded, and will be sent; asked again with the same Idempotency-Key it is sent once at most';
  // A repeat without an idempotency key could send the message twice, and it is not known here whether the request had a key.
  throw new Problem('store-unavailable', detail, { cause, outcome: 'unknown', retryable: false });
}

export function toInsertProblem(cause: unknown): unknown {
  if (cause instanceof QuotaExceededError) return quotaProblem(cause);
  if (!(cause instanceof StoreError)) return cause;
  const detail = 'it could not be recorded, so nothing was sent';
  return new Problem('store-unavailable', detail, { cause, outcome: 'not_sent', retryAfterS: 2 });
}

/** The caller's quota of recorded messages is used up. */
function quotaProblem({ requested, state }: QuotaExceededError): Problem {
  const quota = `your quota of ${state.limit} messages ${per[state.window]}`;
  const detail =
    requested > 1 ? `${requested} messages are more than the ${state.left} left of ${quota}` : `${quota} is spent`;
  return new Problem('quota-spent', `${detail}; nothing was sent`, {
    outcome: 'not_sent',
    // A request for more messages than a whole window allows never fits.
    retryable: requested <= state.limit,
    retryAfterS: Math.max(1, Math.ceil(state.endsInMs / 1000)),
  });
}

const per: Record<QuotaLeft['window'], string> = { hour: 'an hour', day: 'a day' };
