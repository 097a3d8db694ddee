import type { StoredMessage } from '../../store/message-store.ts';
import { retryWhileStoreFails } from '../../store/retry-while-store-fails.ts';
import { toInsertProblem } from '../../store/store-problems.ts';
import { type AttemptResult, withheld } from '../../upstream/attempt-result.ts';
import { permitRequestOf } from '../../upstream/permits.ts';
import { completeAll, currentRecord, deleteRecord, isoNow, StreamDiscarded } from './complete.ts';
import { endLate } from './expiry.ts';
import {
  credentialsPauseReason,
  findRequeuedTogether,
  holdAfter,
  isFailure,
  isFaultOfConnection,
  isForbidden,
  isRefusedAlone,
  nextRetryDelay,
  provesCredentials,
  type RequeuedTogether,
} from './retry-policy.ts';
import type { ActiveDelivery, ClassifiedAttempt, Dispatch, DispatchServices, RetryLater } from './upstream-request.ts';

/** Pause before a failed claim is repeated, ms. */
const leaseRecheckMs = 500;

/**
 * Makes one attempt of queued messages in one call: claims them, calls, classifies the answer, and completes or requeues each.
 * Returns those to be attempted again.
 */
export async function attemptDelivery(
  deliveries: readonly ActiveDelivery[],
  dispatch: Dispatch,
  permitGrantedAt: number,
): Promise<RetryLater[]> {
  const { services } = dispatch;
  const epoch = services.store.epoch();
  const claimed = await claim(deliveries, dispatch);
  if (claimed.length > 0 && claimed.length === deliveries.length)
    return executeAttempt(claimed, dispatch, { epoch, permitGrantedAt });
  const unclaimed = deliveries.filter((delivery) => !claimed.includes(delivery));
  const reloaded = await Promise.all(unclaimed.map((delivery) => reloadAfterFailedClaim(delivery, services)));
  const retries = claimed.length > 0 ? await executeAttempt(claimed, dispatch, { epoch, permitGrantedAt }) : [];
  return [...retries, ...reloaded.flat()];
}

/** Commits `queued` -> `sending`. Returns the messages that may go out now. */
async function claim(
  deliveries: readonly ActiveDelivery[],
  { request: { streamed }, services }: Dispatch,
): Promise<readonly ActiveDelivery[]> {
  const { store, closing } = services;
  // If the answer to a claim is lost, it may have been committed: the same attempt is claimed again.
  const attempts = deliveries.map(({ stored: { id, status, attempts } }) => ({
    id,
    attempt: attempts + (status === 'sending' ? 0 : 1),
  }));
  const claimNow = () => store.claimAll(attempts);
  // The client of a stream is waiting to send its bytes, so a failing store is reported now instead of retried.
  const claimed = streamed
    ? await claimNow().catch((error) => rollback(deliveries, toInsertProblem(error), services))
    : await retryWhileStoreFails(claimNow, closing);
  const claimedAt = isoNow(services);
  return deliveries.filter((delivery, at) => {
    if (!claimed.has(delivery.stored.id)) return false;
    const attempt = attempts[at]?.attempt ?? delivery.stored.attempts;
    const status = 'sending';
    delivery.stored = { ...delivery.stored, status, attempts: attempt, sentAt: claimedAt, updatedAt: claimedAt };
    return true;
  });
}

/** Deletes the records of messages of which nothing was sent. */
async function rollback(
  deliveries: readonly ActiveDelivery[],
  cause: unknown,
  services: DispatchServices,
): Promise<never> {
  for (const { stored } of deliveries) await deleteRecord(stored, services);
  throw new StreamDiscarded(cause);
}

/**
 * A message that could not be claimed may still belong to this process: the next heartbeat renews a lease that expired
 * unnoticed, and no other process would send the message. If another process owns it, that one completes it.
 */
async function reloadAfterFailedClaim(delivery: ActiveDelivery, services: DispatchServices): Promise<RetryLater[]> {
  const status = await reload(delivery, services);
  return status === 'queued' || status === 'sending' ? [{ delivery, delayMs: leaseRecheckMs }] : [];
}

/** The epoch of this process in which the messages were claimed, and when their permit was granted (performance.now()). */
interface Claim {
  epoch: number;
  permitGrantedAt: number;
}

/** Makes the call of claimed messages, completes what is final and requeues the rest. Returns those to be attempted again. */
export async function executeAttempt(
  claimed: readonly ActiveDelivery[],
  dispatch: Dispatch,
  { epoch, permitGrantedAt }: Claim,
): Promise<RetryLater[]> {
  const { request, context, services } = dispatch;
  const { store, breaker } = services;
  const hasPermit = await ensureFreshPermit(permitGrantedAt, dispatch);
  if (!hasPermit) request.streamed?.cancel();
  const deliveries = hasPermit ? await endLate(claimed, dispatch) : claimed;
  if (deliveries.length === 0) return [];
  // Fencing: a process that was suspended may resume after its lease expired, when others have taken its messages. A lease
  // that it acquired since then does not cover them, so the epoch has to be the same as well.
  const canSend = () =>
    store.holdsLease() && store.epoch() === epoch && !deliveries.some(({ stored }) => isForbidden(stored, services));
  const results = hasPermit ? await request.execute(deliveries, canSend) : deliveries.map(() => withheld);
  if (results.some(provesCredentials)) breaker.recordSuccess(context.connection);
  deliveries.forEach((delivery, at) => {
    if (isFailure(results[at])) delivery.failures = (delivery.failures ?? 0) + 1;
  });
  const requeuedTogether =
    request.pauseBroadcast && findRequeuedTogether(results, deliveries, services.closing.aborted);
  const { finished, retries } = splitResults(deliveries, results, { dispatch, requeuedTogether });
  const reason = requeuedTogether?.reason ?? credentialsPauseReason(results, breaker.timesTripped(context.connection));
  if (retries.length === 0 && reason === undefined) {
    await completeAll(finished, dispatch);
    return retries;
  }
  const goBack = async () => {
    // Before the messages are queued again: any process that finds them queued in a running broadcast would send them.
    if (reason !== undefined) await request.pauseBroadcast?.(reason);
    return requeue(retries, services);
  };
  const [requeued] = await Promise.all([goBack(), completeAll(finished, dispatch)]);
  return requeued;
}

interface Circumstances {
  dispatch: Dispatch;
  requeuedTogether: RequeuedTogether | undefined;
}

/** Separates final results from those to be attempted again, and trips the breaker where the connection is at fault. */
function splitResults(
  deliveries: readonly ActiveDelivery[],
  results: readonly AttemptResult[],
  { dispatch, requeuedTogether }: Circumstances,
): { finished: ClassifiedAttempt[]; retries: RetryLater[] } {
  const { request, context, services } = dispatch;
  const finished: ClassifiedAttempt[] = [];
  const retries: RetryLater[] = [];
  const conditions = { isClosing: services.closing.aborted, jitterMs: Math.random() * 200 };
  for (const [at, delivery] of deliveries.entries()) {
    const result = results[at];
    if (!result) throw new Error('an upstream request returns a result for every message');
    if (requeuedTogether?.indices.has(at)) {
      delete delivery.failures;
      if (isRefusedAlone(result)) delivery.refusedAlone = true;
      retries.push({ delivery, delayMs: 0, result });
      continue;
    }
    const delayMs = request.streamed ? undefined : nextRetryDelay(result, delivery, conditions);
    if (delayMs === undefined) finished.push({ delivery, result });
    else {
      retries.push({ delivery, delayMs, result });
      if (isFaultOfConnection(result, delivery)) services.breaker.trip(context.connection, holdAfter(result));
    }
  }
  return { finished, retries };
}

/**
 * The commit of the claim lies between the permit and the first byte and may take long. If the permit has expired by then,
 * another one is acquired with priority. False: the process ends first.
 */
async function ensureFreshPermit(permitGrantedAt: number, { request, context, services }: Dispatch): Promise<boolean> {
  const { rateLimiter, closing } = services;
  const urgent = { ...permitRequestOf(request.operation, context.priority), lane: 'urgent' as const };
  let grantedAt = permitGrantedAt;
  while (rateLimiter && !rateLimiter.isPermitValid(grantedAt)) {
    const isGranted = await rateLimiter
      .acquire({ ...urgent, deadline: Number.POSITIVE_INFINITY, signal: closing })
      .then(
        () => true,
        () => false,
      );
    if (!isGranted) return false;
    grantedAt = performance.now();
  }
  return true;
}

/** Commits `sending` -> `queued` of attempts that are proven unsent. Returns those that this process still owns. */
async function requeue(retries: RetryLater[], services: DispatchServices): Promise<RetryLater[]> {
  if (retries.length === 0) return retries;
  const { store, closing } = services;
  const attempts = retries.map(({ delivery: { stored } }) => ({ id: stored.id, attempt: stored.attempts }));
  const queued = await retryWhileStoreFails(() => store.requeueAll(attempts), closing);
  const kept: RetryLater[] = [];
  for (const each of retries) {
    const { delivery } = each;
    if (queued.has(delivery.stored.id)) {
      delivery.stored = { ...delivery.stored, status: 'queued', updatedAt: isoNow(services) };
      kept.push(each);
    } else if ((await reload(delivery, services)) === 'accepted') services.onProved?.(delivery.stored, 'not_sent');
  }
  await noteRequeued(kept, services);
  return kept;
}

/** Keeps the reasons for operators. A failure of this write does not prevent the next attempt. */
async function noteRequeued(requeued: readonly RetryLater[], { store }: DispatchServices): Promise<void> {
  const attempts = requeued.flatMap(({ delivery: { stored }, result }) => {
    if (!result || result.outcome === 'accepted' || result.outcome === 'unknown') return [];
    const { id, attempts: attempt, sentAt } = stored;
    const code = result.outcome === 'rejected' ? result.refusal : result.outcome;
    return [{ id, attempt, code, detail: result.detail, ...(sentAt !== undefined && { sentAt }) }];
  });
  await store.noteRequeued(attempts).catch(() => undefined);
}

/** Another process may own the message: the store has the current state. Undefined: the store fails and the process ends. */
async function reload(
  delivery: ActiveDelivery,
  services: DispatchServices,
): Promise<StoredMessage['status'] | undefined> {
  const stored = await currentRecord(delivery.stored, services);
  if (stored) delivery.stored = stored;
  return stored?.status;
}
