import type { Holds } from '../../holds/holds.ts';
import { sleep } from '../../sleep.ts';
import type { SendStore, StoredSend } from '../../store/port.ts';
import { StoreError } from '../../store/port.ts';
import { asUnrecorded } from '../../store-problems.ts';
import type { CallContext, Diagnosis } from '../../upstream/client.ts';
import { askOf, type Pace } from '../../upstream/pace.ts';
import type { Verdict } from '../../upstream/verdict.ts';
import { patiently } from '../recovery/retry-store.ts';
import type { Gate } from './circuit-breaker.ts';
import { end, isoNow, type Judged, undo } from './complete.ts';
import { heldIn, holdBy, reasonOfCredentials } from './shared-failure.ts';
import type { Passage } from './upstream-request.ts';

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

export interface LifeServices {
  store: SendStore;
  diagnosis: Diagnosis;
  gate: Gate;
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
export interface LiveSend {
  stored: StoredSend;
  /** No new try begins later (performance.now()). */
  untilMs: number;
  /** Nobody waits for it: while the upstream refuses the credentials it stays queued (contract 8.8). */
  holds?: true;
  /**
   * The end is known but the store could not take it yet; it is written as soon as it can be. Resolves when that is
   * over: gone if it was written, still there if the process ends first.
   */
  unrecorded?: Promise<void>;
}

/** A send that goes on: it is queued again, and its next try comes after the pause. */
export interface Again {
  send: LiveSend;
  pauseMs: number;
}

const triesMax = 3;

/** A stream whose turn did not come while its bytes could still be had. */
const lostBytes: Verdict = {
  outcome: 'not_sent',
  detail: 'it could not go out while its bytes were at hand',
  heals: true,
};

/** A stream whose caller may not send any more: its bytes cannot wait. */
const heldBytes: Verdict = {
  outcome: 'not_sent',
  detail: 'sending was stopped, or the caller may not send any more, before it could go out',
  heals: true,
};

/**
 * Whether a send has to stay where it is: in the store, where it is found again. While the upstream refuses the credentials,
 * those that somebody waits for go on, and their callers are told what is wrong.
 */
export function isHeld(
  { stored, holds }: LiveSend,
  connection: string,
  services: Pick<LifeServices, 'gate' | 'holds'>,
) {
  const ask = { caller: stored.caller, connection, scope: 'messages:send' as const };
  return (holds === true && !services.gate.isOpen(connection)) || services.holds.reasonFor(ask) !== undefined;
}

/** Begun, and stopped by the end of the process before the first byte. */
const endedInLine: Verdict = {
  outcome: 'not_sent',
  detail: 'the service went down before it could go out',
  heals: true,
};

/** How soon a send that may not begin looks again whether it may. */
const leasePauseMs = 500;

/** Takes a recorded send to its end, or as far as it may, in calls of its own. */
export async function live(
  send: LiveSend,
  passage: Passage,
  context: CallContext,
  services: LifeServices,
): Promise<LiveSend> {
  const { closing } = services;
  const { streamed } = passage;
  let turnCameMs: number | undefined;
  for (;;) {
    if (!streamed && isHeld(send, context.connection, services)) return send;
    turnCameMs ??= await myTurn(passage, context, services);
    if (turnCameMs === undefined || closing.aborted) {
      if (!streamed) return send;
      // Its bytes go with the caller or the process, so nobody could take it up later.
      if (closing.aborted) streamed.abandon();
      await end([{ send, verdict: lostBytes }], passage, context, services);
      return send;
    }
    // Meanwhile another may have been turned away, or its caller be gone: the turn is lost then, and nothing else.
    if (isHeld(send, context.connection, services)) {
      if (!streamed) return send;
      streamed.abandon();
      await end([{ send, verdict: heldBytes }], passage, context, services);
      return send;
    }
    const attempted = send.stored.attempts;
    const [again] = await attempt([send], passage, context, services, turnCameMs);
    if (!again) return send;
    // A turn that was not used keeps its age, and before the first byte it is asked whether it is still good.
    if (send.stored.attempts !== attempted) turnCameMs = undefined;
    await sleep(again.pauseMs, closing);
  }
}

/**
 * Waits for the turn of a recorded send, as long as it takes: it is not given up any more. Before the mark D2, so that a
 * crash meanwhile leaves it queued. Answers when it came (performance.now()); undefined: the process ends first, or nobody is
 * left to send its bytes.
 */
async function myTurn(
  passage: Passage,
  { turn }: CallContext,
  { pace, closing }: LifeServices,
): Promise<number | undefined> {
  if (closing.aborted) return undefined;
  if (!pace) return performance.now();
  const { operation, streamed } = passage;
  const signal = streamed ? AbortSignal.any([closing, goneWith(streamed.received)]) : closing;
  const ask = { ...askOf(operation, turn), untilMs: Number.POSITIVE_INFINITY, signal };
  return pace.take(ask).then(
    () => (signal.aborted ? undefined : performance.now()),
    () => undefined,
  );
}

/** Aborts when a caller breaks off, or sends what is no valid body. */
function goneWith(received: Promise<unknown>): AbortSignal {
  const gone = new AbortController();
  received.catch(() => gone.abort());
  return gone.signal;
}

/** One try of queued sends whose turn has come, in one call. Answers those that are not over. */
export async function attempt(
  sends: readonly LiveSend[],
  passage: Passage,
  context: CallContext,
  services: LifeServices,
  turnCameMs: number,
): Promise<Again[]> {
  const epoch = services.store.epoch();
  const begun = await begin(sends, passage, services);
  const held = await Promise.all(sends.filter((send) => !begun.includes(send)).map((send) => heldBack(send, services)));
  const again = begun.length > 0 ? await transmit(begun, epoch, passage, context, services, turnCameMs) : [];
  return [...again, ...held.flat()];
}

/** Mark D2. Answers the sends that may go out now. */
async function begin(
  sends: readonly LiveSend[],
  { streamed }: Passage,
  services: LifeServices,
): Promise<readonly LiveSend[]> {
  const { store, closing } = services;
  // A mark whose answer was lost may stand: then it is asked for again.
  const marks = sends.map(({ stored: { id, status, attempts } }) => ({
    id,
    attempt: attempts + (status === 'sending' ? 0 : 1),
  }));
  const mark = () => store.beginAll(marks);
  // The caller of a stream holds its bytes until he may send them: he is told now, not when the store works again.
  const begun = streamed
    ? await mark().catch((error) => undo(marks[0]?.id ?? '', asUnrecorded(error), services))
    : await patiently(mark, closing);
  const begunAt = isoNow(services);
  return sends.filter((send, at) => {
    if (!begun.has(send.stored.id)) return false;
    const attempts = marks[at]?.attempt ?? send.stored.attempts;
    send.stored = { ...send.stored, status: 'sending', attempts, sentAt: begunAt, updatedAt: begunAt };
    return true;
  });
}

/**
 * A send that could not begin may still be our own: a lease that ran out unnoticed is renewed by the next heartbeat, and
 * nobody else would send it. If another has it, that one ends it.
 */
async function heldBack(send: LiveSend, services: LifeServices): Promise<Again[]> {
  const stands = await refresh(send, services);
  return stands === 'queued' || stands === 'sending' ? [{ send, pauseMs: leasePauseMs }] : [];
}

/** Makes the call of sends that are marked as being sent, since `epoch` by this process. Answers those to be tried again. */
export async function transmit(
  sends: readonly LiveSend[],
  epoch: number,
  passage: Passage,
  context: CallContext,
  services: LifeServices,
  turnCameMs: number,
): Promise<Again[]> {
  const { store, gate } = services;
  // A process that was paused may wake up when others believe it dead (delivery.md 2.6, fencing). A lease that it has taken
  // anew since then says nothing of these sends, which are somebody else's.
  const onTime = await isOnTime(turnCameMs, passage, context, services);
  // Nobody reads its bytes any more.
  if (!onTime) passage.streamed?.abandon();
  const verdicts = onTime
    ? await passage.go(sends, () => store.holdsLease() && store.epoch() === epoch)
    : sends.map(() => endedInLine);
  if (verdicts.some(tookCredentials)) gate.passed(context.connection);
  const attempts = sends.map(({ stored }) => stored.attempts);
  const held = passage.holdAll && heldIn(verdicts, { attempts, triesMax, isEnding: services.closing.aborted });
  const over: Judged[] = [];
  const again: Again[] = [];
  // One for all, so that those who went together can go together again.
  const jitterMs = Math.random() * 200;
  for (const [at, send] of sends.entries()) {
    const verdict = verdicts[at];
    if (!verdict) throw new Error('a passage judges every send');
    const isHeldBack = held?.places.has(at) === true;
    const pauseMs = isHeldBack ? 0 : passage.streamed ? undefined : pauseBefore(verdict, send, jitterMs, services);
    if (pauseMs === undefined) over.push({ send, verdict });
    else again.push({ send, pauseMs });
    if (pauseMs !== undefined && !isHeldBack && mendsElsewhere(verdict, send))
      gate.shut(context.connection, holdBy(verdict));
  }
  const reason = held?.reason ?? reasonOfCredentials(verdicts, gate.timesShut(context.connection));
  const goBack = async () => {
    // First: whichever process finds them there would send them.
    if (reason !== undefined) await passage.holdAll?.(reason);
    return retreat(again, services);
  };
  const [retreated] = await Promise.all([goBack(), end(over, passage, context, services)]);
  return retreated;
}

/**
 * The mark D2 stands between the turn and the first byte, and a commit may take long: then the turn is over, and the next
 * one is waited for, before all others. False: the process ends first.
 */
async function isOnTime(turnCameMs: number, { operation }: Passage, { turn }: CallContext, services: LifeServices) {
  const { pace, closing } = services;
  for (let cameMs = turnCameMs; pace && !pace.isGood(cameMs); cameMs = performance.now()) {
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
function pauseBefore(
  verdict: Verdict,
  send: LiveSend,
  jitterMs: number,
  { closing }: LifeServices,
): number | undefined {
  const { stored, untilMs, holds } = send;
  // While the process ends, what nobody waits for is kept for the next one; a caller who waits is told.
  if (closing.aborted && !holds) return undefined;
  // A refused key refuses the whole queue: nothing of it was processed, and it waits until the key is mended.
  if (holds && verdict.outcome === 'rejected' && verdict.refusal === 'credentials') return 0;
  if (verdict.outcome !== 'not_sent' || !verdict.heals || stored.attempts >= triesMax) return undefined;
  const pauseMs = verdict.retryAfterMs ?? 200 * stored.attempts + jitterMs;
  return performance.now() + pauseMs < untilMs ? pauseMs : undefined;
}

/** WATI looked at what was sent: it took it, or said no in an answer of its own, as the gateway does not. */
const tookCredentials = (verdict: Verdict): boolean =>
  verdict.outcome === 'accepted' || (verdict.outcome === 'rejected' && verdict.status < 300);

/** It is no word on this send, but on all: the next try waits until a call that puts nothing before anybody is answered. */
const mendsElsewhere = (verdict: Verdict, { stored }: LiveSend): boolean =>
  verdict.outcome === 'rejected' ||
  (stored.broadcastId !== undefined && verdict.outcome === 'not_sent' && verdict.status === undefined);

async function retreat(again: Again[], services: LifeServices): Promise<Again[]> {
  if (again.length === 0) return again;
  const { store, closing } = services;
  const marks = again.map(({ send: { stored } }) => ({ id: stored.id, attempt: stored.attempts }));
  const queued = await patiently(() => store.retreatAll(marks), closing);
  const kept: Again[] = [];
  for (const each of again) {
    const { send } = each;
    if (queued.has(send.stored.id)) {
      send.stored = { ...send.stored, status: 'queued', updatedAt: isoNow(services) };
      kept.push(each);
    } else await refresh(send, services);
  }
  return kept;
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
