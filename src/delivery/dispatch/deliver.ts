import { sleep } from '../../lib/sleep.ts';
import type { AttemptResult } from '../../upstream/attempt-result.ts';
import { permitRequestOf } from '../../upstream/permits.ts';
import { attemptDelivery } from './attempt.ts';
import { completeAll } from './complete.ts';
import { expiredResult, isLate } from './expiry.ts';
import { isHeld } from './retry-policy.ts';
import type { ActiveDelivery, Dispatch } from './upstream-request.ts';

/*
 * The states of a message. Each arrow is a durable commit before the next thing happens:
 *
 *   insert ──► queued ──claim──► sending ──┬──► accepted
 *                ▲                         ├──► rejected
 *                └─ requeue ◄ proven unsent┼──► not_sent   attempts used up, or nothing left to repeat
 *                   (up to three failures) └──► unknown ──reconcile──► accepted
 *
 *   insert ──► scheduled ──startDue──► queued    its `sendAt` is in the future
 *   scheduled, queued ──expire──► not_sent       its `notAfter` has passed; also after a claim, before the first byte
 *
 *   complete (the commit of a final state) comes before the client is answered. No arrow leads from `unknown` back to
 *   `queued`. Messages that share a call take each arrow together, and each keeps its own record.
 */

/** A stream got no permit while its bytes could still be read. */
const streamExpired: AttemptResult = {
  outcome: 'not_sent',
  detail: 'it could not go out while its bytes were at hand',
  retryable: true,
};

/** Sending was stopped for the caller of a stream, whose bytes cannot wait. */
const streamHeld: AttemptResult = {
  outcome: 'not_sent',
  detail: 'sending was stopped, or the caller may not send any more, before it could go out',
  retryable: true,
};

/** Delivers a recorded message in calls of its own: resolves when it is final, or when it has to stay queued. */
export async function deliver(delivery: ActiveDelivery, dispatch: Dispatch): Promise<ActiveDelivery> {
  const { request, context, services } = dispatch;
  const { closing } = services;
  const { streamed } = request;
  let permitGrantedAt: number | undefined;
  for (;;) {
    if (!streamed && isHeld(delivery, context.connection, services)) return delivery;
    permitGrantedAt ??= await acquirePermit(dispatch);
    if (permitGrantedAt === undefined || closing.aborted) {
      if (!streamed) return delivery;
      // The bytes end with the client or with this process, so no later process could send them.
      if (closing.aborted) streamed.cancel();
      await completeAll([{ delivery, result: streamExpired }], dispatch);
      return delivery;
    }
    // The breaker or a hold may have changed while the permit was awaited. In that case only the permit is lost.
    if (isHeld(delivery, context.connection, services)) {
      if (!streamed) return delivery;
      streamed.cancel();
      const result = isLate(delivery.stored, services.store) ? expiredResult : streamHeld;
      await completeAll([{ delivery, result }], dispatch);
      return delivery;
    }
    const attempted = delivery.stored.attempts;
    const [retry] = await attemptDelivery([delivery], dispatch, permitGrantedAt);
    if (!retry) return delivery;
    // A permit that was not used keeps its age. `ensureFreshPermit` checks it again before the first byte.
    if (delivery.stored.attempts !== attempted) permitGrantedAt = undefined;
    await sleep(retry.delayMs, closing);
  }
}

/**
 * Waits for a permit without a time limit, because a recorded message is not given up. It comes before the claim, so that a
 * crash while waiting leaves the message queued. Returns when the permit was granted (performance.now()); undefined: the
 * process ends first, or the client of a stream is gone.
 */
async function acquirePermit({ request, context, services }: Dispatch): Promise<number | undefined> {
  const { rateLimiter, closing } = services;
  if (closing.aborted) return undefined;
  if (!rateLimiter) return performance.now();
  const { operation, streamed } = request;
  const signal = streamed ? AbortSignal.any([closing, abortOnBodyFault(streamed.bodyReceived)]) : closing;
  const ask = { ...permitRequestOf(operation, context.priority), deadline: Number.POSITIVE_INFINITY, signal };
  return rateLimiter.acquire(ask).then(
    () => (signal.aborted ? undefined : performance.now()),
    () => undefined,
  );
}

/** Aborts when the client disconnects, or sends an invalid body. */
function abortOnBodyFault(received: Promise<unknown>): AbortSignal {
  const gone = new AbortController();
  received.catch(() => gone.abort());
  return gone.signal;
}
