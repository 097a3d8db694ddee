import { Problem } from '../problem.ts';
import type { SendStore, Settlement, StoredSend } from '../store/port.ts';
import { StoreError } from '../store/port.ts';
import type { CallContext, Diagnosis } from '../upstream/client.ts';
import { askOf, type Pace } from '../upstream/pace.ts';
import type { Attempt, Transport } from '../upstream/transport.ts';
import { judge, type Verdict } from '../upstream/verdict.ts';
import type { PlannedCall } from './content.ts';
import { endingOf, settlementOf } from './ending.ts';

/*
 * The life of a send (delivery.md 2.2). Each arrow is a durable commit before the next thing happens:
 *
 *   record (D1) ──► queued ──begin (D2)──► sending ──┬──► accepted
 *                     ▲                              ├──► rejected
 *                     └─ retreat ◄─ proved not sent ─┼──► not_sent   tries spent, or nothing left to repeat
 *                        (up to three tries)         └──► unknown ──resolve──► accepted
 *
 *   settle (D3) comes before the caller is answered. No arrow leads from `unknown` back to `queued`.
 */

/** A send whose body flows from the caller to WATI: it can be made once, and its bytes are kept nowhere. */
export interface StreamedSend {
  /** `mayStart` is asked right before the first byte. */
  open(mayStart: () => boolean): Promise<Attempt>;
  /** Whether the last boundary is on its way. Until then nobody has the whole body (delivery.md 2.7). */
  complete(): boolean;
  /** Settles when the caller's part is over; the wait for the outcome begins then. */
  received: Promise<unknown>;
  /** Nobody will read it any more. */
  abandon(): void;
  expected: PlannedCall['expected'];
  /** Of WATI, whose limit counts. */
  operation: string;
  /** After an end without a word of the upstream: what was wrong with the caller's body, if anything. */
  fault(): Promise<unknown>;
  /** Of the content, once it has come in whole. */
  fingerprint(): Promise<string | undefined>;
}

export type Transmission = PlannedCall | StreamedSend;

export interface LifeServices {
  store: SendStore;
  transport: Transport;
  diagnosis: Diagnosis;
  /** Ends pauses, and lets no new attempt begin. */
  closing: AbortSignal;
  /** Absent: there is no limit. */
  pace?: Pace;
}

/** A send as its own process sees it: changes in place while it lives. */
export interface LiveSend {
  stored: StoredSend;
  /** The end is known but the store could not take it yet; it is written as soon as it can be. */
  unrecorded?: true;
}

/** A stream that was no valid request, or could not begin: its record is gone, as if it had never been made. */
export class InvalidStream extends Error {
  override readonly name = 'InvalidStream';
}

const triesMax = 3;

/** A stream whose turn did not come while its bytes could still be had. */
const lostBytes: Verdict = {
  outcome: 'not_sent',
  detail: 'it could not go out while its bytes were at hand',
  heals: true,
};

/** How soon a send that may not begin looks again whether it may. */
const leasePauseMs = 500;

/** Takes a recorded send to its end, or as far as it may. `untilMs`: no new try begins later (performance.now()). */
export async function live(
  send: LiveSend,
  transmission: Transmission,
  context: CallContext,
  services: LifeServices,
  untilMs: number,
): Promise<LiveSend> {
  const { store, closing } = services;
  const { id } = send.stored;
  const streamed = 'open' in transmission ? transmission : undefined;
  let hasTurn = false;
  for (;;) {
    hasTurn ||= await myTurn(transmission, context, services);
    if (!hasTurn || closing.aborted) {
      if (!streamed) return send;
      // Its bytes go with the caller or the process, so nobody could take it up later.
      if (closing.aborted) streamed.abandon();
      return end(send, lostBytes, transmission, context, services);
    }
    const { status } = send.stored;
    // A mark whose answer was lost may stand: then it is asked for again.
    const attempts = send.stored.attempts + (status === 'sending' ? 0 : 1);
    const epoch = store.epoch();
    // The caller of a stream holds its bytes until he may send them: he is told now, not when the store works again.
    const mayBegin =
      'open' in transmission
        ? await store.begin(id, attempts).catch((error) => undo(id, unrecordable(error), services))
        : await patiently(() => store.begin(id, attempts), closing);
    if (!mayBegin) {
      const stands = await refresh(send, services);
      if (stands !== 'queued' && stands !== 'sending') return send;
      // Perhaps still its own: a lease that ran out unnoticed is renewed by the next heartbeat, and nobody else would send it.
      // If another has it, that one ends it.
      await sleep(leasePauseMs, closing);
      continue;
    }
    const begunAt = now();
    send.stored = { ...send.stored, status: 'sending', attempts, sentAt: begunAt, updatedAt: begunAt };

    // A process that was paused may wake up when others believe it dead (delivery.md 2.6, fencing). A lease that it has taken
    // anew since then says nothing of this send, which is somebody else's.
    const mayStart = () => store.holdsLease() && store.epoch() === epoch;
    const verdict = await attempt(transmission, context, services, mayStart);
    hasTurn = false;
    const pauseMs = pauseBefore(verdict, transmission, attempts);
    if (pauseMs !== undefined && performance.now() + pauseMs < untilMs && !closing.aborted) {
      if (!(await patiently(() => store.retreat(id), closing))) {
        await refresh(send, services);
        return send;
      }
      send.stored = { ...send.stored, status: 'queued', updatedAt: now() };
      await sleep(pauseMs, closing);
      continue;
    }
    return end(send, verdict, transmission, context, services);
  }
}

/**
 * Waits for the turn of a recorded send, as long as it takes: it is not given up any more. Before the mark D2, so that a
 * crash meanwhile leaves it queued. False: the process ends first.
 */
async function myTurn(
  transmission: Transmission,
  { turn }: CallContext,
  { pace, closing }: LifeServices,
): Promise<boolean> {
  if (closing.aborted) return false;
  if (!pace) return true;
  const operation = operationOf(transmission);
  const signal = 'open' in transmission ? AbortSignal.any([closing, goneWith(transmission.received)]) : closing;
  const ask = { ...askOf(operation, turn), untilMs: Number.POSITIVE_INFINITY, signal };
  return pace.take(ask).then(
    () => !signal.aborted,
    () => false,
  );
}

/** Aborts when a caller breaks off, or sends what is no valid body. */
function goneWith(received: Promise<unknown>): AbortSignal {
  const gone = new AbortController();
  received.catch(() => gone.abort());
  return gone.signal;
}

export const operationOf = (transmission: Transmission): string =>
  'open' in transmission ? transmission.operation : transmission.call.operation;

function attempt(
  transmission: Transmission,
  context: CallContext,
  { transport }: LifeServices,
  mayStart: () => boolean,
): Promise<Verdict> {
  if ('open' in transmission) {
    return transmission
      .open(mayStart)
      .then((answer) => judge(answer, { ...transmission.expected, cut: !transmission.complete() }));
  }
  const { connection } = context;
  const call = { ...transmission.call, host: 'gateway' as const, connection, mayStart, turn: 'taken' as const };
  return transport.attempt(call, undefined, context.onAttempt).then((answer) => judge(answer, transmission.expected));
}

/** How long to wait before the next try; undefined: there is none. Only what is proved not sent is tried again. */
function pauseBefore(verdict: Verdict, transmission: Transmission, attempts: number): number | undefined {
  if (verdict.outcome !== 'not_sent' || !verdict.heals || attempts >= triesMax || 'open' in transmission)
    return undefined;
  return verdict.retryAfterMs ?? 200 * attempts + Math.random() * 200;
}

async function end(
  send: LiveSend,
  verdict: Verdict,
  transmission: Transmission,
  context: CallContext,
  services: LifeServices,
): Promise<LiveSend> {
  const { store, diagnosis, closing } = services;
  const streamed = 'open' in transmission ? transmission : undefined;
  // While the process ends, what breaks off is no fault of the caller.
  if (streamed && verdict.outcome === 'not_sent' && verdict.status === undefined && !closing.aborted) {
    const fault = await streamed.fault();
    if (fault !== undefined) {
      await undo(send.stored.id, fault, services);
    }
  }
  const ending = endingOf(verdict, await told(verdict, context, diagnosis));
  const fingerprint = await streamed?.fingerprint();
  const settlement = {
    ...settlementOf(ending, idsOf(verdict)),
    ...(fingerprint !== undefined && { fingerprint }),
  };
  const at = now();
  send.stored = { ...send.stored, ...settlement, updatedAt: at };
  await settleOrPromise(send, { ...settlement, at }, store, closing);
  return send;
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
async function settleOrPromise(send: LiveSend, settlement: Settlement, store: SendStore, closing: AbortSignal) {
  try {
    await store.settle(send.stored.id, settlement);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    send.unrecorded = true;
    patiently(() => store.settle(send.stored.id, settlement), closing).then(
      () => {
        delete send.unrecorded;
      },
      // The process ends first: then the record says `sending`, and recovery makes that `unknown`.
      () => {},
    );
  }
}

/** Takes the record of a stream out again, before the caller hears of the fault if the store works, else when it does. */
async function undo(id: string, fault: unknown, { store, closing }: LifeServices): Promise<never> {
  const forget = () => store.forget(id);
  await forget().catch(() => void patiently(forget, closing).catch(() => {}));
  throw new InvalidStream('the stream ended before anybody had the whole of it', { cause: fault });
}

function unrecordable(cause: unknown): unknown {
  if (!(cause instanceof StoreError)) return cause;
  const detail = 'the send could not be recorded, so it was not made';
  return new Problem('store-unavailable', detail, { cause, outcome: 'not_sent', retryAfterS: 2 });
}

/** Somebody else may have it: what the store says now is the truth. */
async function refresh(send: LiveSend, { store, closing }: LifeServices): Promise<StoredSend['status'] | undefined> {
  const stored = await patiently(() => store.find(send.stored.caller, send.stored.id), closing).catch((error) => {
    if (error instanceof StoreError) return undefined;
    throw error;
  });
  if (stored) send.stored = stored;
  return stored?.status;
}

/** Waits for a store that fails, as long as it takes: what was recorded is not given up. */
async function patiently<Value>(write: () => Promise<Value>, closing: AbortSignal): Promise<Value> {
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof StoreError) || closing.aborted) throw error;
      await sleep(pauseMs, closing);
    }
  }
}

function sleep(ms: number, closing: AbortSignal): Promise<void> {
  return new Promise((resume) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      closing.removeEventListener('abort', done);
      resume();
    }
    if (closing.aborted) done();
    else closing.addEventListener('abort', done);
  });
}

const now = () => new Date().toISOString();
