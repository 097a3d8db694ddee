import type { AttemptResult } from '../../upstream/classify-response.ts';
import type { ActiveDelivery } from './types.ts';

/** Attempts of one message, the first one included. */
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
  verdict: AttemptResult,
  { stored, deadline, detached }: ActiveDelivery,
  { isClosing, jitterMs }: RetryConditions,
): number | undefined {
  // At shutdown, detached messages stay queued for the next process; a waiting client gets an answer.
  if (isClosing && !detached) return undefined;
  // A refused key refuses the whole queue: none of it was processed, and it waits until the key is replaced.
  if (detached && verdict.outcome === 'rejected' && verdict.refusal === 'credentials') return 0;
  if (verdict.outcome !== 'not_sent' || !verdict.retryable || stored.attempts >= maxAttempts) return undefined;
  const delayMs = verdict.retryAfterMs ?? 200 * stored.attempts + jitterMs;
  return performance.now() + delayMs < deadline ? delayMs : undefined;
}

/** WATI processed the request: it accepted it, or refused it in an answer of its own, which the gateway never writes. */
export const provesCredentials = (verdict: AttemptResult): boolean =>
  verdict.outcome === 'accepted' || (verdict.outcome === 'rejected' && verdict.status < 300);

/** The failure concerns the connection and not this message, so its whole queue waits for a probe. */
export const tripsBreaker = (verdict: AttemptResult, { stored }: ActiveDelivery): boolean =>
  verdict.outcome === 'rejected' ||
  (stored.broadcastId !== undefined && verdict.outcome === 'not_sent' && verdict.status === undefined);
