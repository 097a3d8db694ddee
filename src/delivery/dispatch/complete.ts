import type { Settlement } from '../../store/port.ts';
import { StoreError } from '../../store/port.ts';
import type { CallContext, Diagnosis } from '../../upstream/client.ts';
import type { Verdict } from '../../upstream/verdict.ts';
import { endingOf, settlementOf } from '../outcome.ts';
import { patiently } from '../recovery/retry-store.ts';
import type { LifeServices, LiveSend } from './deliver.ts';
import type { Passage, StreamedSend } from './upstream-request.ts';

/** A stream that was no valid request, or could not begin: its record is gone, as if it had never been made. */
export class InvalidStream extends Error {
  override readonly name = 'InvalidStream';
}

export interface Judged {
  send: LiveSend;
  verdict: Verdict;
}

/** Mark D3, with all that can be known of each end. */
export async function end(
  judged: readonly Judged[],
  { streamed }: Passage,
  context: CallContext,
  services: LifeServices,
): Promise<void> {
  if (judged.length === 0) return;
  const tell = once((verdict: Verdict) => told(verdict, context, services.diagnosis));
  const settlements: (Settlement & { id: string })[] = [];
  const lostCallOf = lostCallsIn(judged);
  for (const { send, verdict } of judged) {
    if (streamed) await assertNoFault(streamed, send, verdict, services);
    const ending = endingOf(verdict, await tell(verdict));
    const fingerprint = await streamed?.fingerprint();
    const settlement = {
      ...settlementOf(ending, idsOf(verdict)),
      ...(fingerprint !== undefined && { fingerprint }),
    };
    const at = isoNow(services);
    send.stored = { ...send.stored, ...settlement, updatedAt: at };
    settlements.push({ id: send.stored.id, ...settlement, ...lostCallOf(verdict), at });
  }
  await settleOrPromise(judged, settlements, services);
}

/** One verdict for many is that of the call that they shared: it has the name of the first of them. */
function lostCallsIn(judged: readonly Judged[]) {
  const shared = Map.groupBy(judged, ({ verdict }) => verdict);
  const places = new Map<Verdict, number>();
  return (verdict: Verdict): Pick<Settlement, 'lostCall'> => {
    const [first, ...others] = shared.get(verdict) ?? [];
    if (verdict.outcome !== 'unknown' || !first || others.length === 0) return {};
    const place = places.get(verdict) ?? 0;
    places.set(verdict, place + 1);
    return { lostCall: { id: first.send.stored.id, place } };
  };
}

/** Throws what was wrong with the caller's body; while the process ends, what breaks off is no fault of the caller. */
async function assertNoFault(streamed: StreamedSend, send: LiveSend, verdict: Verdict, services: LifeServices) {
  if (verdict.outcome !== 'not_sent' || verdict.status !== undefined || services.closing.aborted) return;
  const fault = await streamed.fault();
  if (fault !== undefined) await undo(send.stored.id, fault, services);
}

/** A verdict on the whole call is one object for all of its sends: what it means is asked once. */
function once<Key extends object, Value>(ask: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>();
  return (key) => {
    const value = known.get(key) ?? ask(key);
    known.set(key, value);
    return value;
  };
}

/** A 400 or 401 of the gateway can be about the key or the connection: the control API tells (upstream.md 1.5). */
async function told(verdict: Verdict, context: CallContext, diagnosis: Diagnosis) {
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
async function settleOrPromise(
  judged: readonly Judged[],
  settlements: readonly (Settlement & { id: string })[],
  { store, closing }: LifeServices,
) {
  try {
    await store.settleAll(settlements);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const unrecorded = patiently(() => store.settleAll(settlements), closing).then(
      () => {
        for (const { send } of judged) delete send.unrecorded;
      },
      // The process ends first: then the record says `sending`, and recovery makes that `unknown`.
      () => {},
    );
    for (const { send } of judged) send.unrecorded = unrecorded;
  }
}

/** Takes the record of a stream out again, before the caller hears of the fault if the store works, else when it does. */
export async function undo(id: string, fault: unknown, { store, closing }: LifeServices): Promise<never> {
  const forget = () => store.forget(id);
  await forget().catch(() => void patiently(forget, closing).catch(() => {}));
  throw new InvalidStream('the stream ended before anybody had the whole of it', { cause: fault });
}

export const isoNow = ({ now }: Pick<LifeServices, 'now'>): string => new Date(now()).toISOString();
