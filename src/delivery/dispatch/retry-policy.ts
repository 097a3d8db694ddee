import { type Hold, sendingQuestionOf } from '../../holds/holds.ts';
import type { StoredMessage } from '../../store/message-store.ts';
import type { Refusal } from '../../upstream/answers/known-refusals.ts';
import type { AttemptResult } from '../../upstream/attempt-result.ts';
import { concernsOneReceiver, type Rejected } from './bisect-batch.ts';
import { isLate } from './expiry.ts';
import type { ActiveDelivery, DispatchServices } from './upstream-request.ts';

/*
 * Decides what follows from the result of an attempt: whether the message is attempted again and when (`nextRetryDelay`),
 * whether the whole connection waits for a probe (`isFaultOfConnection`), and whether the whole broadcast is paused
 * (`findRequeuedTogether`, `credentialsPauseReason`).
 */

/** The most failed attempts of one message. Attempts that were refused for credentials do not count. */
const maxAttempts = 3;

interface RetryConditions {
  /** The process is shutting down. */
  isClosing: boolean;
  /** Shared by the messages of one call, so that they can be sent together again. */
  jitterMs: number;
}

/**
 * Whether a message is attempted again: the pause before its next attempt, ms; undefined: it is not. Only an attempt that is
 * proven unsent is repeated, because any other could reach the customer twice.
 */
export function nextRetryDelay(
  result: AttemptResult,
  { failures = 0, deadline, detached }: ActiveDelivery,
  { isClosing, jitterMs }: RetryConditions,
): number | undefined {
  // At shutdown, detached messages stay queued for the next process; a waiting client gets an answer.
  if (isClosing && !detached) return undefined;
  // Refused credentials concern the whole queue. Nothing of it was processed, and it waits until the key is replaced.
  if (detached && result.outcome === 'rejected' && result.refusal === 'credentials') return 0;
  if (result.outcome !== 'not_sent' || !result.retryable || failures >= maxAttempts) return undefined;
  const delayMs = result.retryAfterMs ?? 200 * failures + jitterMs;
  return performance.now() + delayMs < deadline ? delayMs : undefined;
}

/** Whether WATI itself processed the request: it accepted the message, or refused it with a 2xx. The gateway refuses with a 4xx or 5xx. */
export const provesCredentials = (result: AttemptResult): boolean =>
  result.outcome === 'accepted' || (result.outcome === 'rejected' && result.status < 300);

/** Whether the attempt counts as failed: it was made, and is proven unsent. */
export const isFailure = (result: AttemptResult | undefined): boolean =>
  result?.outcome === 'not_sent' && !result.withheld;

/**
 * Whether a retry would fail for every message of the connection alike: its credentials are refused, or, as a broadcast found,
 * nothing answers. The connection's whole queue then waits for a probe.
 */
export const isFaultOfConnection = (
  result: AttemptResult,
  { stored }: { stored: Pick<StoredMessage, 'broadcastId'> },
): boolean =>
  (result.outcome === 'rejected' && result.refusal === 'credentials') ||
  (stored.broadcastId !== undefined && isFailure(result) && !('status' in result));

/** Whether a message may not go out now: it is late, its caller may not send any more, or an operator has stopped it. */
export const isForbidden = (
  stored: StoredMessage,
  { holds, store }: Pick<DispatchServices, 'holds' | 'store'>,
): boolean => isLate(stored, store) || holds.reasonFor(sendingQuestionOf(stored)) !== undefined;

/**
 * Returns whether a message has to stay queued in the store: to be resumed later, or to expire because it is late. While the
 * upstream refuses the credentials, messages with a waiting client are still sent, so that the client gets the reason.
 */
export function isHeld(
  { stored, detached }: ActiveDelivery,
  connection: string,
  services: Pick<DispatchServices, 'breaker' | 'holds' | 'store'>,
): boolean {
  return (detached === true && !services.breaker.isClosed(connection)) || isForbidden(stored, services);
}

/** The messages of a call that are requeued together (by index), and why their broadcast is paused. */
export interface RequeuedTogether {
  readonly indices: ReadonlySet<number>;
  /** Absent: the messages are requeued only because the process ends. */
  readonly reason?: string;
}

/** What the results of a call mean for the whole broadcast; `undefined`: each result concerns its own recipient only. */
export function findRequeuedTogether(
  results: readonly AttemptResult[],
  deliveries: readonly Pick<ActiveDelivery, 'failures' | 'refusedAlone'>[],
  isClosing: boolean,
): RequeuedTogether | undefined {
  const exhausted = results.flatMap((result, at) =>
    result.outcome === 'not_sent' && (!result.retryable || (deliveries[at]?.failures ?? 1) >= maxAttempts) ? [at] : [],
  );
  const shared = findSharedRefusal(results);
  if (shared) {
    // The recipient was refused alone again after the broadcast was resumed, so it is the cause itself and is completed as
    // rejected.
    const isOwn = (at: number) => isRefusedAlone(results[at]) && deliveries[at]?.refusedAlone === true;
    const indices = shared.indices.filter((at) => !isOwn(at));
    return { indices: new Set([...indices, ...exhausted]), reason: pauseReason(shared.result) };
  }
  const last = results[exhausted.at(-1) ?? -1];
  if (last?.outcome !== 'not_sent') return undefined;
  const reason = `it could not go out: ${last.detail}. Nothing is lost; resume it once that is mended`;
  return { indices: new Set(exhausted), ...(!isClosing && { reason }) };
}

export const isRefusedAlone = (result: AttemptResult | undefined): boolean =>
  result?.outcome === 'rejected' && result.sharedCause === 'refused-alone';

/** So many refusals at the end of a call, one after the other and for a shared cause: the credits ran out during the call. */
const inARow = 3;

function findSharedRefusal(
  results: readonly AttemptResult[],
): { result: Rejected; indices: readonly number[] } | undefined {
  const refused = results.flatMap((result, at) => (isRefusalOfAll(result) ? [at] : []));
  const last = results[refused.at(-1) ?? -1];
  if (last?.outcome !== 'rejected') return undefined;
  // An attempt that was not sent proves nothing about the others.
  const lastOfOther = results.findLastIndex((result) => !isRefusalOfAll(result) && result.outcome !== 'not_sent');
  const isWholeCall = lastOfOther === -1 || results.some((result) => 'sharedCause' in result);
  if (isWholeCall) return { result: last, indices: refused };
  const finalRun = refused.filter((at) => at > lastOfOther);
  return finalRun.length < inARow ? undefined : { result: last, indices: finalRun };
}

const isRefusalOfAll = (result: AttemptResult): boolean =>
  result.outcome === 'rejected' &&
  result.refusal !== 'credentials' &&
  (result.sharedCause !== undefined || !concernsOneReceiver(result));

/** After so many probes that succeeded and sends that were refused all the same, a broadcast is paused: reads work, sends do not. */
const probesMax = 3;

/** Why a broadcast is paused if its messages are refused for credentials with which reads succeed. */
export function credentialsPauseReason(results: readonly AttemptResult[], timesTripped: number): string | undefined {
  const refused = results.find((result) => result.outcome === 'rejected' && result.refusal === 'credentials');
  return refused?.outcome === 'rejected' && timesTripped >= probesMax ? pauseReason(refused) : undefined;
}

/** The reason for which the queue of a connection waits after this result. */
export const holdAfter = (result: AttemptResult): Hold =>
  result.outcome === 'rejected'
    ? {
        code: 'credentials-refused',
        detail: `the upstream refuses the credentials (${result.detail}); it goes on when they are mended`,
      }
    : { code: 'gateway-unreachable', detail: 'the gateway cannot be reached; it goes on when it can' };

function pauseReason({ refusal, detail, status, sharedCause }: Rejected): string {
  return `${because(refusal, status, sharedCause)}: ${detail}. Nothing is lost; resume it once that is mended`;
}

function because(refusal: Refusal, status: number, sharedCause: Rejected['sharedCause']): string {
  if (sharedCause) return 'WATI refused each of those that were tried alone, in the same words';
  if (refusal === 'account') return 'WATI refused: the account, its plan or its credits do not allow it';
  if (refusal === 'quota') return 'WATI refused: the account has spent its quota';
  if (refusal === 'template') return 'WATI refused the template';
  if (refusal === 'credentials') return 'WATI answers reads and refuses sends with these credentials';
  if (refusal === 'route') return 'WATI does not know the call';
  return `the upstream refused all of it with ${status}`;
}
