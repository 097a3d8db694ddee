import type { RateLimiter } from '../rate-limit/types.ts';
import { RateLimitTimeoutError } from '../rate-limit/types.ts';
import { isQuotaExhausted } from './answers/exhausted-quota.ts';
import { codeOf } from './error-code.ts';
import type { HttpResult } from './types.ts';

/** A wrong certificate or TLS setting does not change by itself, and sockets that closed because the process ends stay closed. */
const permanent =
  /CERT|SELF_SIGNED|ERR_SSL|ERR_TLS|INVALID_ARG|UND_ERR_DESTROYED|LimiterClosedError|^ANSWER|^KEY_ECHOED/;

/** Whether a read may be repeated. */
export function isRetryable(outcome: HttpResult): boolean {
  if (outcome.kind === 'failed')
    return !(outcome.cause instanceof RateLimitTimeoutError) && !permanent.test(codeOf(outcome.cause));
  if (isQuotaExhausted(outcome)) return false;
  return outcome.status === 429 || outcome.status === 408 || outcome.status >= 500;
}

/** Retry-After in ms, in its delay or date form, at most a minute; undefined if it is malformed. */
export function retryAfterMs({ headers }: Pick<HttpResult, 'headers'>): number | undefined {
  const value = headers?.['retry-after'];
  if (typeof value !== 'string') return undefined;
  // Date.parse reads `-1` and `1.5` as days of 2001, which would mean "at once". An HTTP date contains the name of a day.
  const ms = /^\d{1,9}$/.test(value)
    ? Number(value) * 1000
    : /^[A-Z][a-z]{2}/.test(value)
      ? Date.parse(value) - Date.now()
      : Number.NaN;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 60_000) : undefined;
}

/** Bounds retries to a tenth of the load, so that they do not overload a failing upstream: ten in reserve, 0.1 per read. */
export function createRetryBudget() {
  let tokens = 10;
  return {
    earn: () => {
      tokens = Math.min(10, tokens + 0.1);
    },
    spend: () => {
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}

/**
 * Reports a 429 to the rate limiter, even if its body was aborted. The 429 does not show whether it is Maton's or WATI's, so
 * all calls slow down. An exhausted quota is not reported, because slowing down would not restore it.
 */
export function reportTooManyRequests(
  rateLimiter: RateLimiter | undefined,
  answer: Pick<HttpResult, 'status' | 'headers'>,
): void {
  if (answer.status === 429 && !isQuotaExhausted(answer))
    rateLimiter?.reportTooManyRequests(undefined, retryAfterMs(answer));
}
