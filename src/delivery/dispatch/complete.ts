import type { Settlement } from '../../store/port.ts';
import { StoreError } from '../../store/port.ts';
import type { CallContext, Diagnosis } from '../../upstream/client.ts';
import type { Verdict } from '../../upstream/verdict.ts';
import { outcomeOf, settlementOf } from '../outcome.ts';
import { retryUntilStored } from '../recovery/retry-store.ts';
import type { ActiveDelivery, DispatchServices } from './deliver.ts';
import type { StreamedUpload, UpstreamRequest } from './upstream-request.ts';

/** A stream that was no valid request, or could not begin: its record is gone, as if it had never been made. */
export class InvalidStream extends Error {
  override readonly name = 'InvalidStream';
}

export interface ClassifiedAttempt {
  delivery: ActiveDelivery;
  verdict: Verdict;
}

/** Mark D3, with all that can be known of each end. */
export async function completeAll(
  classified: readonly ClassifiedAttempt[],
  { streamed }: UpstreamRequest,
  context: CallContext,
  services: DispatchServices,
): Promise<void> {
  if (classified.length === 0) return;
  const explain = oncePerKey((verdict: Verdict) => explainRejection(verdict, context, services.diagnosis));
  const settlements: (Settlement & { id: string })[] = [];
  const lostCallOf = lostCallsIn(classified);
  for (const { delivery, verdict } of classified) {
    if (streamed) await assertValidBody(streamed, delivery, verdict, services);
    const outcome = outcomeOf(verdict, await explain(verdict));
    const fingerprint = await streamed?.fingerprint();
    const settlement = {
      ...settlementOf(outcome, idsOf(verdict)),
      ...(fingerprint !== undefined && { fingerprint }),
    };
    const at = isoNow(services);
    delivery.stored = { ...delivery.stored, ...settlement, updatedAt: at };
    settlements.push({ id: delivery.stored.id, ...settlement, ...lostCallOf(verdict), at });
  }
  await persistOrRetry(classified, settlements, services);
}

/** One verdict for many is that of the call that they shared: it has the name of the first of them. */
function lostCallsIn(classified: readonly ClassifiedAttempt[]) {
  const shared = Map.groupBy(classified, ({ verdict }) => verdict);
  const places = new Map<Verdict, number>();
  return (verdict: Verdict): Pick<Settlement, 'lostCall'> => {
    const [first, ...others] = shared.get(verdict) ?? [];
    if (verdict.outcome !== 'unknown' || !first || others.length === 0) return {};
    const place = places.get(verdict) ?? 0;
    places.set(verdict, place + 1);
    return { lostCall: { id: first.delivery.stored.id, place } };
  };
}

/** Throws what was wrong with the caller's body; while the process ends, what breaks off is no fault of the caller. */
async function assertValidBody(
  streamed: StreamedUpload,
  delivery: ActiveDelivery,
  verdict: Verdict,
  services: DispatchServices,
) {
  if (verdict.outcome !== 'not_sent' || verdict.status !== undefined || services.closing.aborted) return;
  const clientError = await streamed.clientError();
  if (clientError !== undefined) await rollbackInsert(delivery.stored.id, clientError, services);
}

/** A verdict on the whole call is one object for all of its sends: what it means is asked once. */
function oncePerKey<Key extends object, Value>(ask: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>();
  return (key) => {
    const value = known.get(key) ?? ask(key);
    known.set(key, value);
    return value;
  };
}

/** A 400 or 401 of the gateway can be about the key or the connection: the control API tells (upstream.md 1.5). */
async function explainRejection(verdict: Verdict, context: CallContext, diagnosis: Diagnosis) {
  if (verdict.outcome !== 'rejected') return {};
  if (verdict.refusal === 'credentials') return { credentials: await diagnosis.unauthorized() };
  if (verdict.status !== 400) return {};
  const connectionFault = await diagnosis.connectionFault(context.connection, verdict.detail);
  return connectionFault === undefined ? {} : { connectionFault };
}

function idsOf(verdict: Verdict) {
  if (verdict.outcome !== 'accepted') return {};
  const { localMessageId, whatsappMessageId } = verdict;
  return {
    ...(localMessageId !== undefined && { localMessageId }),
    ...(whatsappMessageId !== undefined && { whatsappMessageId }),
  };
}

/** D3; where the store fails, the caller is told all the same, and the write is tried until it succeeds (delivery.md 2.6). */
async function persistOrRetry(
  classified: readonly ClassifiedAttempt[],
  settlements: readonly (Settlement & { id: string })[],
  { store, closing }: DispatchServices,
) {
  try {
    await store.settleAll(settlements);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const pendingWrite = retryUntilStored(() => store.settleAll(settlements), closing).then(
      () => {
        for (const { delivery } of classified) delete delivery.pendingWrite;
      },
      // The process ends first: then the record says `sending`, and recovery makes that `unknown`.
      () => {},
    );
    for (const { delivery } of classified) delivery.pendingWrite = pendingWrite;
  }
}

/** Takes the record of a stream out again, before the caller hears of the fault if the store works, else when it does. */
export async function rollbackInsert(
  id: string,
  clientError: unknown,
  { store, closing }: DispatchServices,
): Promise<never> {
  const deleteRecord = () => store.forget(id);
  await deleteRecord().catch(() => void retryUntilStored(deleteRecord, closing).catch(() => {}));
  throw new InvalidStream('the stream ended before anybody had the whole of it', { cause: clientError });
}

export const isoNow = ({ now }: Pick<DispatchServices, 'now'>): string => new Date(now()).toISOString();
