import type { AttemptResult } from '../../upstream/classify-response.ts';
import type { ActiveDelivery } from './types.ts';

/** Attempts of one message that fail, the first one included. Those refused for credentials are not counted. */
export const maxAttempts = 3;

interface RetryConditions {
  /** The process shuts down. */
  isClosing: boolean;
  /** Shared by the messages of one call, so that they can go together again. */
  jitterMs: number;
}

/**
 * The pause before the next attempt, ms; undefined: there is none. Only an attempt that is proven unsent is repeated: anything
 * else might reach the customer twice.
 */
export function nextRetryDelay(
  result: AttemptResult,
  { failures = 0, deadline, detached }: ActiveDelivery,
  { isClosing, jitterMs }: RetryConditions,
): number | undefined {
  // At shutdown, detached messages stay queued for the next process; a waiting client gets an answer.
  if (isClosing && !detached) return undefined;
  // A refused key refuses the whole queue: none of it was processed, and it waits until the key is replaced.
  if (detached && result.outcome === 'rejected' && result.refusal === 'credentials') return 0;
  if (result.outcome !== 'not_sent' || !result.retryable || failures >= maxAttempts) return undefined;
  const delayMs = result.retryAfterMs ?? 200 * failures + jitterMs;
  return performance.now() + delayMs < deadline ? delayMs : undefined;
}

/** WATI processed the request: it accepted it, or refused it in an answer of its own, which the gateway never writes. */
export const provesCredentials = (result: AttemptResult): boolean =>
  result.outcome === 'accepted' || (result.outcome === 'rejected' && result.status < 300);

/** The failure concerns the connection and not this message, so its whole queue waits for a probe. */
export const tripsBreaker = (result: AttemptResult, { stored }: ActiveDelivery): boolean =>
  result.outcome === 'rejected' ||
  (stored.broadcastId !== undefined && result.outcome === 'not_sent' && result.status === undefined);
