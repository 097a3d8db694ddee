import { StoreError } from '../../store/errors.ts';
import type { Completion, StoredMessage } from '../../store/message-store.ts';
import type { AttemptResult } from '../../upstream/classify-response.ts';
import { outcomeOf, settlementOf } from '../outcome.ts';
import { retryUntilStored } from '../recovery/retry-store.ts';
import type { ActiveDelivery, ClassifiedAttempt, Dispatch, DispatchServices } from './types.ts';

/** A stream that was no valid request, or could not be claimed: its record is deleted. */
export class InvalidStream extends Error {
  override readonly name = 'InvalidStream';

  constructor(cause: unknown) {
    super('the stream ended before anybody had the whole of it', { cause });
  }
}

/** Commits the final state of each message, with everything that can be known of it. */
export async function completeAll(classified: readonly ClassifiedAttempt[], dispatch: Dispatch): Promise<void> {
  if (classified.length === 0) return;
  const explain = oncePerKey((result: AttemptResult) => explainRejection(result, dispatch));
  const settlements: (Completion & { id: string })[] = [];
  const lostCallOf = lostCallsIn(classified);
  const { streamed } = dispatch.request;
  for (const { delivery, result } of classified) {
    // Only streams await these: every awaited promise delays the answer to a send.
    if (streamed) await assertValidBody(delivery, result, dispatch);
    const outcome = outcomeOf(result, result.outcome === 'rejected' ? await explain(result) : {});
    const fingerprint = streamed && (await streamed.fingerprint());
    const settlement = {
      ...settlementOf(outcome, idsOf(result)),
      ...(fingerprint !== undefined && { fingerprint }),
    };
    const at = isoNow(dispatch.services);
    delivery.stored = { ...delivery.stored, ...settlement, updatedAt: at };
    settlements.push({ id: delivery.stored.id, ...settlement, ...lostCallOf(result), at });
  }
  await persistOrRetry(classified, settlements, dispatch.services);
}

/** Messages that share a result were in one call. If that is lost, each of them records the id of the first, and its own place. */
function lostCallsIn(
  classified: readonly ClassifiedAttempt[],
): (result: AttemptResult) => Pick<Completion, 'lostCall'> {
  if (classified.length === 1) return () => ({});
  const shared = Map.groupBy(classified, ({ result }) => result);
  const places = new Map<AttemptResult, number>();
  return (result) => {
    const [first, ...others] = shared.get(result) ?? [];
    if (result.outcome !== 'unknown' || !first || others.length === 0) return {};
    const place = places.get(result) ?? 0;
    places.set(result, place + 1);
    return { lostCall: { id: first.delivery.stored.id, place } };
  };
}

/**
 * Throws InvalidStream if the client's body was at fault. During shutdown an interrupted body is not the client's error. A message
 * that a webhook has named was sent, so its record is kept and completed like any other.
 */
async function assertValidBody({ stored }: ActiveDelivery, result: AttemptResult, { request, services }: Dispatch) {
  const { streamed } = request;
  if (!streamed || result.outcome !== 'not_sent' || result.status !== undefined || services.closing.aborted) return;
  const clientError = await streamed.clientError();
  if (clientError !== undefined && (await deleteRecord(stored, services))) throw new InvalidStream(clientError);
}

/** A result on the whole call is one object for all of its messages, so it is explained once. */
function oncePerKey<Key extends object, Value>(ask: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>();
  return (key) => {
    const value = known.get(key) ?? ask(key);
    known.set(key, value);
    return value;
  };
}

/** A 400 or 401 of the gateway may concern the key or the connection; Maton's control API distinguishes the two. */
async function explainRejection(result: AttemptResult, { context, services: { diagnosis } }: Dispatch) {
  if (result.outcome !== 'rejected') return {};
  if (result.refusal === 'credentials') return { credentials: await diagnosis.unauthorized() };
  if (result.status !== 400) return {};
  const connectionFault = await diagnosis.connectionProblem(context.connection, result.detail);
  return connectionFault === undefined ? {} : { connectionFault };
}

function idsOf(result: AttemptResult) {
  if (result.outcome !== 'accepted') return {};
  const { localMessageId, whatsappMessageId } = result;
  return {
    ...(localMessageId !== undefined && { localMessageId }),
    ...(whatsappMessageId !== undefined && { whatsappMessageId }),
  };
}

/** If the store fails, the client still gets the outcome, and the write is repeated until it succeeds. */
async function persistOrRetry(
  classified: readonly ClassifiedAttempt[],
  settlements: readonly (Completion & { id: string })[],
  services: DispatchServices,
) {
  const { store, closing } = services;
  try {
    await reloadProved(classified, await store.completeAll(settlements), services);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const pendingWrite = retryUntilStored(() => store.completeAll(settlements), closing).then(
      async (completed) => {
        for (const { delivery } of classified) delete delivery.pendingWrite;
        await reloadProved(classified, completed, services);
      },
      // The process ends first: then the record says `sending`, and recovery makes that `unknown`.
      () => {},
    );
    for (const { delivery } of classified) delivery.pendingWrite = pendingWrite;
  }
}

/** Messages that were not completed here were ended by a webhook or belong to another process: reads their records again. */
async function reloadProved(
  classified: readonly ClassifiedAttempt[],
  completed: ReadonlySet<string>,
  services: DispatchServices,
): Promise<void> {
  for (const { delivery } of classified) {
    const { id, status } = delivery.stored;
    if (completed.has(id)) continue;
    const stored = await currentRecord(delivery.stored, services);
    if (stored?.status !== 'accepted') continue;
    delivery.stored = stored;
    if (status !== 'accepted' && stored.delivery) services.onProved?.(stored, status);
  }
}

/**
 * A message as it is recorded now, once the store can be read. What it was thought to be may be false, so its caller's answer waits
 * for this, or becomes a 202. Undefined: it is gone, or the store fails and the process ends.
 */
export function currentRecord(
  { id, caller }: Pick<StoredMessage, 'id' | 'caller'>,
  { store, closing }: Pick<DispatchServices, 'store' | 'closing'>,
): Promise<StoredMessage | undefined> {
  return retryUntilStored(() => store.find(caller, id), closing).catch((error) => {
    if (error instanceof StoreError) return undefined;
    throw error;
  });
}

/**
 * Deletes the record of a stream: before the client is answered if the store works, otherwise as soon as it does. Returns false
 * if the record is kept because a webhook has proved that the message was sent.
 */
export async function deleteRecord(
  { id, caller }: Pick<StoredMessage, 'id' | 'caller'>,
  services: Pick<DispatchServices, 'store' | 'closing'>,
): Promise<boolean> {
  const { store, closing } = services;
  const deleteUnsent = () => store.deleteUnsent(id);
  const isDeleted = await deleteUnsent().catch(() => {
    void retryUntilStored(deleteUnsent, closing).catch(() => {});
    return true;
  });
  if (isDeleted) return true;
  // A deletion whose answer was lost finds nothing the second time.
  const left = await currentRecord({ id, caller }, services);
  return left?.delivery === undefined;
}

export const isoNow = ({ now }: Pick<DispatchServices, 'now'>): string => new Date(now()).toISOString();
