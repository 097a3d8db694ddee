import type { Holds } from '../../holds/holds.ts';
import { sleep } from '../../sleep.ts';
import type { SendStore, StoredSend } from '../../store/port.ts';
import { StoreError } from '../../store/port.ts';
import { toInsertProblem } from '../../store-problems.ts';
import type { CallContext, Diagnosis } from '../../upstream/client.ts';
import { askOf, type Pace } from '../../upstream/pace.ts';
import type { Verdict } from '../../upstream/verdict.ts';
import { retryUntilStored } from '../recovery/retry-store.ts';
import type { CircuitBreaker } from './circuit-breaker.ts';
import { type ClassifiedAttempt, completeAll, isoNow, rollbackInsert } from './complete.ts';
import { credentialsPauseReason, findHeldBack, holdAfter } from './shared-failure.ts';
import type { UpstreamRequest } from './upstream-request.ts';

/*
 * The life of a send (delivery.md 2.2). Each arrow is a durable commit before the next thing happens:
 *
 *   record (D1) ──► queued ──begin (D2)──► sending ──┬──► accepted
 *                     ▲                              ├──► rejected
 *                     └─ retreat ◄─ proved not sent ─┼──► not_sent   tries spent, or nothing left to repeat
 *                        (up to three tries)         └──► unknown ──resolve──► accepted
 *
 *   settle (D3) comes before the caller is answered. No arrow leads from `unknown` back to `queued`.
 *   Sends that go out in one call take each arrow together, and each keeps its own record.
 */

export interface DispatchServices {
  store: SendStore;
  diagnosis: Diagnosis;
  breaker: CircuitBreaker;
  /** Whether a caller may still send; asked before each attempt. */
  holds: Holds;
  /** Ends pauses, and lets no new attempt begin. */
  closing: AbortSignal;
  /** Absent: there is no limit. */
  pace?: Pace;
  /** Wall clock, ms: what records say of their times. */
  now: () => number;
}

/** A send as its own process sees it: changes in place while it lives. */
export interface ActiveDelivery {
  stored: StoredSend;
  /** No new try begins later (performance.now()). */
  deadline: number;
  /** Nobody waits for it: while the upstream refuses the credentials it stays queued (contract 8.8). */
  detached?: true;
  /**
   * The end is known but the store could not take it yet; it is written as soon as it can be. Resolves when that is
   * over: gone if it was written, still there if the process ends first.
   */
  pendingWrite?: Promise<void>;
}

/** A send that goes on: it is queued again, and its next try comes after the pause. */
export interface RetryLater {
  delivery: ActiveDelivery;
  delayMs: number;
}

const maxAttempts = 3;

/** A stream whose turn did not come while its bytes could still be had. */
const streamExpired: Verdict = {
  outcome: 'not_sent',
  detail: 'it could not go out while its bytes were at hand',
  retryable: true,
};

/** A stream whose caller may not send any more: its bytes cannot wait. */
const streamHeld: Verdict = {
  outcome: 'not_sent',
  detail: 'sending was stopped, or the caller may not send any more, before it could go out',
  retryable: true,
};

/**
 * Whether a send has to stay where it is: in the store, where it is found again. While the upstream refuses the credentials,
 * those that somebody waits for go on, and their callers are told what is wrong.
 */
export function isHeld(
  { stored, detached }: ActiveDelivery,
  connection: string,
  services: Pick<DispatchServices, 'breaker' | 'holds'>,
) {
  const ask = { caller: stored.caller, connection, scope: 'messages:send' as const };
  return (detached === true && !services.breaker.isClosed(connection)) || services.holds.reasonFor(ask) !== undefined;
}

/** Begun, and stopped by the end of the process before the first byte. */
const shutdownBeforeSend: Verdict = {
  outcome: 'not_sent',
  detail: 'the service went down before it could go out',
  retryable: true,
};

/** How soon a send that may not begin looks again whether it may. */
const leaseRecheckMs = 500;

/** Takes a recorded send to its end, or as far as it may, in calls of its own. */
export async function deliver(
  delivery: ActiveDelivery,
  request: UpstreamRequest,
  context: CallContext,
  services: DispatchServices,
): Promise<ActiveDelivery> {
  const { closing } = services;
  const { streamed } = request;
  let permitGrantedAt: number | undefined;
  for (;;) {
    if (!streamed && isHeld(delivery, context.connection, services)) return delivery;
    permitGrantedAt ??= await acquirePermit(request, context, services);
    if (permitGrantedAt === undefined || closing.aborted) {
      if (!streamed) return delivery;
      // Its bytes go with the caller or the process, so nobody could take it up later.
      if (closing.aborted) streamed.cancel();
      await completeAll([{ delivery, verdict: streamExpired }], request, context, services);
      return delivery;
    }
    // Meanwhile another may have been turned away, or its caller be gone: the turn is lost then, and nothing else.
    if (isHeld(delivery, context.connection, services)) {
      if (!streamed) return delivery;
      streamed.cancel();
      await completeAll([{ delivery, verdict: streamHeld }], request, context, services);
      return delivery;
    }
    const attempted = delivery.stored.attempts;
    const [retries] = await attemptDelivery([delivery], request, context, services, permitGrantedAt);
    if (!retries) return delivery;
    // A turn that was not used keeps its age, and before the first byte it is asked whether it is still good.
    if (delivery.stored.attempts !== attempted) permitGrantedAt = undefined;
    await sleep(retries.delayMs, closing);
  }
}

/**
 * Waits for the turn of a recorded send, as long as it takes: it is not given up any more. Before the mark D2, so that a
 * crash meanwhile leaves it queued. Answers when it came (performance.now()); undefined: the process ends first, or nobody is
 * left to send its bytes.
 */
async function acquirePermit(
  request: UpstreamRequest,
  { turn }: CallContext,
  { pace, closing }: DispatchServices,
): Promise<number | undefined> {
  if (closing.aborted) return undefined;
  if (!pace) return performance.now();
  const { operation, streamed } = request;
  const signal = streamed ? AbortSignal.any([closing, abortOnDisconnect(streamed.bodyReceived)]) : closing;
  const ask = { ...askOf(operation, turn), untilMs: Number.POSITIVE_INFINITY, signal };
  return pace.take(ask).then(
    () => (signal.aborted ? undefined : performance.now()),
    () => undefined,
  );
}

/** Aborts when a caller breaks off, or sends what is no valid body. */
function abortOnDisconnect(received: Promise<unknown>): AbortSignal {
  const gone = new AbortController();
  received.catch(() => gone.abort());
  return gone.signal;
}

/** One try of queued sends whose turn has come, in one call. Answers those that are not over. */
export async function attemptDelivery(
  deliveries: readonly ActiveDelivery[],
  request: UpstreamRequest,
  context: CallContext,
  services: DispatchServices,
  permitGrantedAt: number,
): Promise<RetryLater[]> {
  const epoch = services.store.epoch();
  const claimed = await claim(deliveries, request, services);
  const heldBack = await Promise.all(
    deliveries
      .filter((delivery) => !claimed.includes(delivery))
      .map((delivery) => reloadAfterFailedClaim(delivery, services)),
  );
  const retries =
    claimed.length > 0 ? await executeAttempt(claimed, epoch, request, context, services, permitGrantedAt) : [];
  return [...retries, ...heldBack.flat()];
}

/** Mark D2. Answers the sends that may go out now. */
async function claim(
  deliveries: readonly ActiveDelivery[],
  { streamed }: UpstreamRequest,
  services: DispatchServices,
): Promise<readonly ActiveDelivery[]> {
  const { store, closing } = services;
  // A mark whose answer was lost may stand: then it is asked for again.
  const marks = deliveries.map(({ stored: { id, status, attempts } }) => ({
    id,
    attempt: attempts + (status === 'sending' ? 0 : 1),
  }));
  const mark = () => store.beginAll(marks);
  // The caller of a stream holds its bytes until he may send them: he is told now, not when the store works again.
  const claimed = streamed
    ? await mark().catch((error) => rollbackInsert(marks[0]?.id ?? '', toInsertProblem(error), services))
    : await retryUntilStored(mark, closing);
  const claimedAt = isoNow(services);
  return deliveries.filter((delivery, at) => {
    if (!claimed.has(delivery.stored.id)) return false;
    const attempts = marks[at]?.attempt ?? delivery.stored.attempts;
    delivery.stored = { ...delivery.stored, status: 'sending', attempts, sentAt: claimedAt, updatedAt: claimedAt };
    return true;
  });
}

/**
 * A send that could not begin may still be our own: a lease that ran out unnoticed is renewed by the next heartbeat, and
 * nobody else would send it. If another has it, that one ends it.
 */
async function reloadAfterFailedClaim(delivery: ActiveDelivery, services: DispatchServices): Promise<RetryLater[]> {
  const stands = await reload(delivery, services);
  return stands === 'queued' || stands === 'sending' ? [{ delivery, delayMs: leaseRecheckMs }] : [];
}

/** Makes the call of sends that are marked as being sent, since `epoch` by this process. Answers those to be tried again. */
export async function executeAttempt(
  deliveries: readonly ActiveDelivery[],
  epoch: number,
  request: UpstreamRequest,
  context: CallContext,
  services: DispatchServices,
  permitGrantedAt: number,
): Promise<RetryLater[]> {
  const { store, breaker } = services;
  // A process that was paused may wake up when others believe it dead (delivery.md 2.6, fencing). A lease that it has taken
  // anew since then says nothing of these sends, which are somebody else's.
  const hasPermit = await ensureFreshPermit(permitGrantedAt, request, context, services);
  // Nobody reads its bytes any more.
  if (!hasPermit) request.streamed?.cancel();
  const verdicts = hasPermit
    ? await request.execute(deliveries, () => store.holdsLease() && store.epoch() === epoch)
    : deliveries.map(() => shutdownBeforeSend);
  if (verdicts.some(provesCredentials)) breaker.recordSuccess(context.connection);
  const attempts = deliveries.map(({ stored }) => stored.attempts);
  const heldBack =
    request.pauseBroadcast && findHeldBack(verdicts, { attempts, maxAttempts, isClosing: services.closing.aborted });
  const finished: ClassifiedAttempt[] = [];
  const retries: RetryLater[] = [];
  // One for all, so that those who went together can go together again.
  const jitterMs = Math.random() * 200;
  for (const [at, delivery] of deliveries.entries()) {
    const verdict = verdicts[at];
    if (!verdict) throw new Error('a passage judges every send');
    const isHeldBack = heldBack?.places.has(at) === true;
    const delayMs = isHeldBack
      ? 0
      : request.streamed
        ? undefined
        : nextRetryDelay(verdict, delivery, jitterMs, services);
    if (delayMs === undefined) finished.push({ delivery, verdict });
    else retries.push({ delivery, delayMs });
    if (delayMs !== undefined && !isHeldBack && tripsBreaker(verdict, delivery))
      breaker.trip(context.connection, holdAfter(verdict));
  }
  const reason = heldBack?.reason ?? credentialsPauseReason(verdicts, breaker.timesTripped(context.connection));
  const goBack = async () => {
    // First: whichever process finds them there would send them.
    if (reason !== undefined) await request.pauseBroadcast?.(reason);
    return requeue(retries, services);
  };
  const [requeued] = await Promise.all([goBack(), completeAll(finished, request, context, services)]);
  return requeued;
}

/**
 * The mark D2 stands between the turn and the first byte, and a commit may take long: then the turn is over, and the next
 * one is waited for, before all others. False: the process ends first.
 */
async function ensureFreshPermit(
  permitGrantedAt: number,
  { operation }: UpstreamRequest,
  { turn }: CallContext,
  services: DispatchServices,
) {
  const { pace, closing } = services;
  for (let grantedAt = permitGrantedAt; pace && !pace.isGood(grantedAt); grantedAt = performance.now()) {
    const first = { ...askOf(operation, turn), lane: 'urgent' as const, untilMs: Number.POSITIVE_INFINITY };
    const came = await pace.take({ ...first, signal: closing }).then(
      () => true,
      () => false,
    );
    if (!came) return false;
  }
  return true;
}

/** How long to wait before the next try; undefined: there is none. Only what is proved not sent is tried again. */
function nextRetryDelay(
  verdict: Verdict,
  delivery: ActiveDelivery,
  jitterMs: number,
  { closing }: DispatchServices,
): number | undefined {
  const { stored, deadline, detached } = delivery;
  // While the process ends, what nobody waits for is kept for the next one; a caller who waits is told.
  if (closing.aborted && !detached) return undefined;
  // A refused key refuses the whole queue: nothing of it was processed, and it waits until the key is mended.
  if (detached && verdict.outcome === 'rejected' && verdict.refusal === 'credentials') return 0;
  if (verdict.outcome !== 'not_sent' || !verdict.retryable || stored.attempts >= maxAttempts) return undefined;
  const pauseMs = verdict.retryAfterMs ?? 200 * stored.attempts + jitterMs;
  return performance.now() + pauseMs < deadline ? pauseMs : undefined;
}

/** WATI looked at what was sent: it took it, or said no in an answer of its own, as the gateway does not. */
const provesCredentials = (verdict: Verdict): boolean =>
  verdict.outcome === 'accepted' || (verdict.outcome === 'rejected' && verdict.status < 300);

/** It is no word on this send, but on all: the next try waits until a call that puts nothing before anybody is answered. */
const tripsBreaker = (verdict: Verdict, { stored }: ActiveDelivery): boolean =>
  verdict.outcome === 'rejected' ||
  (stored.broadcastId !== undefined && verdict.outcome === 'not_sent' && verdict.status === undefined);

async function requeue(retries: RetryLater[], services: DispatchServices): Promise<RetryLater[]> {
  if (retries.length === 0) return retries;
  const { store, closing } = services;
  const marks = retries.map(({ delivery: { stored } }) => ({ id: stored.id, attempt: stored.attempts }));
  const queued = await retryUntilStored(() => store.retreatAll(marks), closing);
  const kept: RetryLater[] = [];
  for (const each of retries) {
    const { delivery } = each;
    if (queued.has(delivery.stored.id)) {
      delivery.stored = { ...delivery.stored, status: 'queued', updatedAt: isoNow(services) };
      kept.push(each);
    } else await reload(delivery, services);
  }
  return kept;
}

/** Somebody else may have it: what the store says now is the truth. */
async function reload(
  delivery: ActiveDelivery,
  { store, closing }: DispatchServices,
): Promise<StoredSend['status'] | undefined> {
  const stored = await retryUntilStored(() => store.find(delivery.stored.caller, delivery.stored.id), closing).catch(
    (error) => {
      if (error instanceof StoreError) return undefined;
      throw error;
    },
  );
  if (stored) delivery.stored = stored;
  return stored?.status;
}
