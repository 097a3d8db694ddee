import { StoreError } from '../../store/errors.ts';
import type { Completion, StoredMessage } from '../../store/message-store.ts';
import { retryWhileStoreFails } from '../../store/retry-while-store-fails.ts';
import type { AttemptResult } from '../../upstream/attempt-result.ts';
import { completionOf, outcomeOf } from '../outcome.ts';
import type { ActiveDelivery, ClassifiedAttempt, Dispatch, DispatchServices } from './upstream-request.ts';

/** Nothing of a stream was sent, and its record is deleted. `cause`: what was wrong with its body, or the failure of the store. */
export class StreamDiscarded extends Error {
  override readonly name = 'StreamDiscarded';

  constructor(cause: unknown) {
    super('nothing of the stream was sent, and its record is deleted', { cause });
  }
}

/** Commits the final state of each message, with the explanation of a rejection. */
export async function completeAll(classified: readonly ClassifiedAttempt[], dispatch: Dispatch): Promise<void> {
  if (classified.length === 0) return;
  const explain = oncePerKey((result: AttemptResult) => explainRejection(result, dispatch));
  const completions: (Completion & { id: string })[] = [];
  const lostCallOf = lostCallsIn(classified);
  const { streamed } = dispatch.request;
  for (const { delivery, result } of classified) {
    // Only for streams, because every awaited promise delays the answer to a send.
    if (streamed) await assertValidBody(delivery, result, dispatch);
    const outcome = outcomeOf(result, result.outcome === 'rejected' ? await explain(result) : {});
    const fingerprint = streamed && (await streamed.fingerprint());
    const completion = {
      ...completionOf(outcome, idsOf(result)),
      ...(fingerprint !== undefined && { fingerprint }),
    };
    const at = isoNow(dispatch.services);
    delivery.stored = { ...delivery.stored, ...completion, updatedAt: at };
    completions.push({ id: delivery.stored.id, ...completion, ...lostCallOf(result), at });
  }
  await persistOrRetry(classified, completions, dispatch.services);
}

/**
 * Messages that share a result were in one call. If the call's answer was lost, each message records the id of the first one,
 * and its own place in the call.
 */
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
 * Throws StreamDiscarded and deletes the record if the client's body was invalid. Two cases are completed like any other message
 * instead: a shutdown, because the service itself interrupted the body; and a message that a webhook has named, which proves
 * that it was sent.
 */
async function assertValidBody({ stored }: ActiveDelivery, result: AttemptResult, { request, services }: Dispatch) {
  const { streamed } = request;
  if (!streamed || result.outcome !== 'not_sent' || result.status !== undefined || services.closing.aborted) return;
  const clientError = await streamed.clientError();
  if (clientError !== undefined && (await deleteRecord(stored, services))) throw new StreamDiscarded(clientError);
}

/** Caches by object identity. A result for the whole call is one object shared by all of its messages, so it is explained once. */
function oncePerKey<Key extends object, Value>(ask: (key: Key) => Value): (key: Key) => Value {
  let known: Map<Key, Value> | undefined;
  return (key) => {
    known ??= new Map();
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

/** If the store fails, the client still gets the outcome, and the write is repeated in the background until it succeeds. */
async function persistOrRetry(
  classified: readonly ClassifiedAttempt[],
  completions: readonly (Completion & { id: string })[],
  services: DispatchServices,
) {
  const { store, closing } = services;
  const write = inParts(completions, store);
  try {
    await reloadProved(classified, await write(), services);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const pendingWrite = retryWhileStoreFails(write, closing).then(
      async (completed) => {
        for (const { delivery } of classified) delete delivery.pendingWrite;
        await reloadProved(classified, completed, services);
      },
      // The process ends first. The record stays `sending`, and the next recovery makes it `unknown`.
      () => {},
    );
    for (const { delivery } of classified) delivery.pendingWrite = pendingWrite;
  }
}

/** Rows per commit. Marks of other messages wait for each. */
const ROWS_MAX = 250;

/** Returns a write of all completions that can be repeated: it goes on with the first part that failed. */
function inParts(
  completions: readonly (Completion & { id: string })[],
  store: Pick<DispatchServices['store'], 'completeAll'>,
): () => Promise<ReadonlySet<string>> {
  if (completions.length <= ROWS_MAX) return () => store.completeAll(completions);
  const completed = new Set<string>();
  let at = 0;
  return async () => {
    for (; at < completions.length; at += ROWS_MAX)
      for (const id of await store.completeAll(completions.slice(at, at + ROWS_MAX))) completed.add(id);
    return completed;
  };
}

/** A message that was not completed here was completed by a webhook, or belongs to another process: reads its record again. */
async function reloadProved(
  classified: readonly ClassifiedAttempt[],
  completed: ReadonlySet<string>,
  services: DispatchServices,
): Promise<void> {
  if (completed.size === classified.length) return;
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
 * Reads the record of a message as soon as the store works. The state in memory may be wrong, so the caller's answer waits for
 * this, or becomes a 202. Undefined: the record is deleted, or the store fails until the process ends.
 */
export function currentRecord(
  { id, caller }: Pick<StoredMessage, 'id' | 'caller'>,
  { store, closing }: Pick<DispatchServices, 'store' | 'closing'>,
): Promise<StoredMessage | undefined> {
  return retryWhileStoreFails(() => store.find(caller, id), closing).catch((error) => {
    if (error instanceof StoreError) return undefined;
    throw error;
  });
}

/**
 * Deletes the record of a stream. If the store fails, returns true and repeats the deletion in the background until it
 * succeeds. Returns false if the record stays, because a webhook has proved that the message was sent.
 */
export async function deleteRecord(
  { id, caller }: Pick<StoredMessage, 'id' | 'caller'>,
  services: Pick<DispatchServices, 'store' | 'closing'>,
): Promise<boolean> {
  const { store, closing } = services;
  const deleteUnsent = () => store.deleteUnsent(id);
  const isDeleted = await deleteUnsent().catch(() => {
    void retryWhileStoreFails(deleteUnsent, closing).catch(() => {});
    return true;
  });
  if (isDeleted) return true;
  // Nothing was deleted: either a webhook named the message, or an earlier deletion was committed and its acknowledgement lost.
  const left = await currentRecord({ id, caller }, services);
  return left?.delivery === undefined;
}

export const isoNow = ({ now }: Pick<DispatchServices, 'now'>): string => new Date(now()).toISOString();
