import type { Hold } from '../../holds/holds.ts';
import type { Refusal } from '../../upstream/answers/known-refusals.ts';
import type { AttemptResult } from '../../upstream/classify-response.ts';
import type { ActiveDelivery, DispatchServices } from './types.ts';

/*
 * Decides what follows from the result of an attempt: whether the message is attempted again and when (`nextRetryDelay`),
 * whether the whole connection waits for a probe (`tripsBreaker`), and whether the whole broadcast is paused (`findHeldBack`,
 * `credentialsPauseReason`).
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

/** Whether WATI itself processed the request: it accepted the message, or refused it with a 2xx, which the gateway never writes. */
export const provesCredentials = (result: AttemptResult): boolean =>
  result.outcome === 'accepted' || (result.outcome === 'rejected' && result.status < 300);

/** Whether the failure concerns the connection instead of this message. The connection's whole queue then waits for a probe. */
export const tripsBreaker = (result: AttemptResult, { stored }: ActiveDelivery): boolean =>
  result.outcome === 'rejected' ||
  (stored.broadcastId !== undefined && result.outcome === 'not_sent' && result.status === undefined);

/**
 * Whether a message has to stay queued in the store, to be resumed later. While the upstream refuses the credentials, messages
 * whose client waits are sent all the same, so that the client gets the reason.
 */
export function isHeld(
  { stored, detached }: ActiveDelivery,
  connection: string,
  services: Pick<DispatchServices, 'breaker' | 'holds'>,
): boolean {
  const ask = { caller: stored.caller, connection, scope: 'messages:send' as const };
  return (detached === true && !services.breaker.isClosed(connection)) || services.holds.reasonFor(ask) !== undefined;
}

export type Rejected = AttemptResult & { outcome: 'rejected' };

/** Refusals that a single receiver can cause. A refused template, plan or key concerns all receivers. */
const ofOneReceiver: ReadonlySet<Refusal> = new Set([
  'template-parameters',
  'edge',
  'recipient',
  'opted-out',
  'window-closed',
  'bad-request',
  'other',
]);

/** Whether a single receiver may be the cause. A 400 of the gateway itself concerns the connection, which all receivers share. */
export const concernsOneReceiver = ({ refusal, status, detail }: Rejected): boolean =>
  ofOneReceiver.has(refusal) && !(status === 400 && /\bconnection\b/i.test(detail));

/** Which messages of a call are requeued (by index), and why the whole broadcast is paused. */
export interface HeldBack {
  readonly places: ReadonlySet<number>;
  /** Absent: the messages are requeued only because the process ends. */
  readonly reason?: string;
}

/** What the results of a call mean for the whole broadcast; `undefined`: each result concerns its own recipient only. */
export function findHeldBack(
  results: readonly AttemptResult[],
  deliveries: readonly Pick<ActiveDelivery, 'failures' | 'refusedAlone'>[],
  isClosing: boolean,
): HeldBack | undefined {
  const exhausted = results.flatMap((result, at) =>
    result.outcome === 'not_sent' && (!result.retryable || (deliveries[at]?.failures ?? 1) >= maxAttempts) ? [at] : [],
  );
  const shared = sharedRejection(results);
  if (shared) {
    // The recipient was refused alone again after the broadcast was resumed, so it is the cause itself and is completed as
    // rejected.
    const isOwn = (at: number) => isRefusedAlone(results[at]) && deliveries[at]?.refusedAlone === true;
    const places = shared.places.filter((at) => !isOwn(at));
    return { places: new Set([...places, ...exhausted]), reason: pauseReason(shared.result) };
  }
  const last = results[exhausted.at(-1) ?? -1];
  if (last?.outcome !== 'not_sent') return undefined;
  const reason = `it could not go out: ${last.detail}. Nothing is lost; resume it once that is mended`;
  return { places: new Set(exhausted), ...(!isClosing && { reason }) };
}

export const isRefusedAlone = (result: AttemptResult | undefined): boolean =>
  result?.outcome === 'rejected' && result.ofAll === 'alone';

/** If at least this many messages up to the last one were refused for a shared cause, the credits ran out during the call. */
const inARow = 3;

function sharedRejection(
  results: readonly AttemptResult[],
): { result: Rejected; places: readonly number[] } | undefined {
  const places = results.flatMap((result, at) => (isShared(result) ? [at] : []));
  const last = results[places.at(-1) ?? -1];
  if (last?.outcome !== 'rejected') return undefined;
  // An attempt that was not sent proves nothing about the others.
  const from = results.findLastIndex((result) => !isShared(result) && result.outcome !== 'not_sent') + 1;
  if (from === 0 || results.some((result) => 'ofAll' in result)) return { result: last, places };
  const tail = places.filter((at) => at >= from);
  return tail.length < inARow ? undefined : { result: last, places: tail };
}

const isShared = (result: AttemptResult): boolean =>
  result.outcome === 'rejected' &&
  result.refusal !== 'credentials' &&
  (result.ofAll !== undefined || !concernsOneReceiver(result));

/** This many probes succeeded while the messages after each of them were refused. */
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

function pauseReason({ refusal, detail, status, ofAll }: Rejected): string {
  return `${because(refusal, status, ofAll)}: ${detail}. Nothing is lost; resume it once that is mended`;
}

function because(refusal: Refusal, status: number, ofAll: Rejected['ofAll']): string {
  if (ofAll) return 'WATI refused each of those that were tried alone, in the same words';
  if (refusal === 'account') return 'WATI refused: the account, its plan or its credits do not allow it';
  if (refusal === 'quota') return 'WATI refused: the account has spent its quota';
  if (refusal === 'template') return 'WATI refused the template';
  if (refusal === 'credentials') return 'WATI answers reads and refuses sends with these credentials';
  if (refusal === 'route') return 'WATI does not know the call';
  return `the upstream refused all of it with ${status}`;
}
