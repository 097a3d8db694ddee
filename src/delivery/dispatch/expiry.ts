import { sleep } from '../../lib/sleep.ts';
import type { StoredMessage } from '../../store/message-store.ts';
import type { Expiry, ScheduleStore } from '../../store/schedule-store.ts';
import type { AttemptResult } from '../../upstream/attempt-result.ts';
import { completionOf, outcomeOf, toJson } from '../outcome.ts';
import { completeAll } from './complete.ts';
import type { ActiveDelivery, Dispatch, DispatchServices } from './upstream-request.ts';

/** The message could not go out before its `notAfter`. */
export const expiredResult: AttemptResult = {
  outcome: 'not_sent',
  detail: 'it could not go out before its `notAfter`, and does not go out any more',
  retryable: false,
  expired: true,
};

const expired = outcomeOf(expiredResult);

/** The final state that the store gives to late messages. */
export const expiry: Expiry = {
  failure: completionOf(expired).failure ?? { code: 'expired', detail: '' },
  outcome: toJson(expired),
};

/** Returns whether `notAfter` has passed. The store checks it again with each claim. */
export const isLate = (
  { notAfter }: Pick<StoredMessage, 'notAfter'>,
  { wallNow }: Pick<ScheduleStore, 'wallNow'>,
): boolean => notAfter !== undefined && Date.parse(notAfter) <= wallNow();

/** Ends the late ones of these claimed messages, before any byte is sent, and returns the others. */
export async function endLate(
  deliveries: readonly ActiveDelivery[],
  dispatch: Dispatch,
): Promise<readonly ActiveDelivery[]> {
  const late = deliveries.filter(({ stored }) => isLate(stored, dispatch.services.store));
  if (late.length === 0) return deliveries;
  dispatch.request.streamed?.cancel();
  await completeAll(
    late.map((delivery) => ({ delivery, result: expiredResult })),
    dispatch,
  );
  return deliveries.filter((delivery) => !late.includes(delivery));
}

/** Interval in which a change of the clock is noticed, ms. */
const lookEveryMs = 1_000;
/** Pause before trying again to end a late message, ms: it was being sent, or the store failed. */
const lookAgainMs = 250;

/**
 * Resolves like `work`, the delivery of a message, or earlier if its `notAfter` passes while it waits for a permit, a retry or its
 * claim. Does not interrupt a message that is being sent.
 */
export function untilLate(
  delivery: ActiveDelivery,
  work: Promise<ActiveDelivery>,
  services: Pick<DispatchServices, 'store' | 'closing' | 'now'>,
): Promise<ActiveDelivery> {
  const { notAfter } = delivery.stored;
  return notAfter === undefined ? work : endedOrLate(delivery, { work, notAfter }, services);
}

async function endedOrLate(
  delivery: ActiveDelivery,
  { work, notAfter }: { work: Promise<ActiveDelivery>; notAfter: string },
  services: Pick<DispatchServices, 'store' | 'closing' | 'now'>,
): Promise<ActiveDelivery> {
  const over = new AbortController();
  const signal = AbortSignal.any([services.closing, over.signal]);
  const watch = async () => {
    while (!signal.aborted) {
      const leftMs = Date.parse(notAfter) - services.store.wallNow();
      await sleep(leftMs > 0 ? Math.min(leftMs, lookEveryMs) : lookAgainMs, signal);
      if (!signal.aborted && (await hasExpired(delivery, services))) return delivery;
    }
    return work;
  };
  try {
    const ended = await Promise.race([work, watch()]);
    // The delivery left it queued because it is late.
    await hasExpired(ended, services);
    return ended;
  } finally {
    over.abort();
  }
}

/** Ends a message that is late and not being sent. Returns whether it has ended, in this or another process. */
async function hasExpired(
  delivery: ActiveDelivery,
  { store, now }: Pick<DispatchServices, 'store' | 'now'>,
): Promise<boolean> {
  const { id, caller, status } = delivery.stored;
  if (status !== 'queued' || !isLate(delivery.stored, store)) return false;
  if (await store.expire(id, expiry).catch(() => false)) {
    const updatedAt = new Date(now()).toISOString();
    delivery.stored = { ...delivery.stored, ...expiry, status: 'not_sent', updatedAt };
    return true;
  }
  const stored = await store.find(caller, id).catch(() => undefined);
  if (stored?.status !== 'not_sent') return false;
  delivery.stored = stored;
  return true;
}
