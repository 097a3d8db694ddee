import type { Dispatcher } from 'undici';
import { KeyFinder } from '../keys/key-finder.ts';
import { usualPauses } from '../pauses.ts';
import { AnswerHandler, type Arrived } from './answer-handler.ts';
import { AnswerRefused } from './answer-refused.ts';
import { onChannel } from './channels.ts';
import type { Dispatchers } from './dispatchers.ts';
import { codeOf } from './error-code.ts';
import { type AnswerClass, Intake } from './intake.ts';
import { askOf, ownTurn, type Pace } from './pace.ts';
import { createRetryBudget, heed, mayHeal, retryAfterMs } from './retry.ts';
import { pauseStacks } from './stack-pause.ts';
import type { Answered, Attempt, AttemptReport, Call, Failed } from './types.ts';

export interface TransportOptions {
  key: () => string;
  dispatchers: Dispatchers;
  /** Total deadline of one call, retries included, ms. */
  timeoutMs: number;
  userAgent: string;
  /** Absent: there is no limit. */
  pace?: Pace;
  /** Makes text of bytes; absent: with limits of its own. */
  intake?: Intake;
  onAttempt?: (report: AttemptReport) => void;
  /** See `Pauses`. */
  readRetryMs?: number;
  /** Called when anything but a GET begins, and when it has ended. */
  onWrite?: (connection: string | undefined) => void;
  /** Called with each answer of the gateway. */
  onAnswer?: (connection: string, answer: Answered) => void;
}

export interface Transport {
  /** One attempt, never repeated, never throwing. `deadlineMs` is what is left of the caller's time. */
  attempt(call: Call, deadlineMs?: number, onAttempt?: (report: AttemptReport) => void): Promise<Attempt>;
  /** A read is safe to repeat: at most twice, on failures that may be temporary. Never throws. */
  read(call: Call, deadlineMs?: number, onAttempt?: (report: AttemptReport) => void): Promise<Attempt>;
}

export function createTransport(options: TransportOptions): Transport {
  const { dispatchers, timeoutMs, pace, readRetryMs = usualPauses.readRetryMs } = options;
  const retryBudget = createRetryBudget();
  const intake = options.intake ?? new Intake(new KeyFinder(() => [options.key()]), () => {});

  const heeded = async (answer: Attempt | Promise<Attempt>): Promise<Attempt> => {
    const whole = await answer;
    heed(pace, whole);
    return whole;
  };

  const told = async ({ host, connection }: Call, answer: Attempt | Promise<Attempt>): Promise<Attempt> => {
    const whole = await answer;
    if (whole.kind === 'answered' && host === 'gateway' && connection !== undefined)
      options.onAnswer?.(connection, whole);
    return whole;
  };

  const once: Transport['attempt'] = (call, deadlineMs = timeoutMs, onAttempt) =>
    new Promise((resolve) => {
      const start = performance.now();
      const onWrite = call.method === 'GET' ? undefined : options.onWrite;
      onWrite?.(call.connection);
      const handler = new AnswerHandler(
        (status) => intake.gather(status, originOf(call)),
        call.mayStart ?? always,
        (outcome) => {
          clearTimeout(timer);
          onWrite?.(call.connection);
          const report = reportOf(call, outcome, performance.now() - start);
          options.onAttempt?.(report);
          onAttempt?.(report);
          const whole = 'gathering' in outcome ? textOf(outcome) : outcome;
          // Its words tell whether it is about the pace.
          resolve(outcome.status === 429 ? heeded(whole) : told(call, whole));
        },
        call.sends ? pauseStacks : undefined,
      );
      // The only deadline that a dripping or 102-ing upstream cannot stretch.
      const timer = setTimeout(() => handler.expire(), Math.max(1, Math.min(deadlineMs, timeoutMs)));
      const dispatcher =
        call.host === 'control' ? dispatchers.control : call.sends ? dispatchers.sends : dispatchers.reads;
      try {
        // Before the call and not only while it is answered: what is broken off costs both sides more than a refusal.
        if (!intake.hasRoomFor(originOf(call))) throw new AnswerRefused('ANSWERS_FULL');
        dispatcher.dispatch(toRequest(call, options), handler);
      } catch (error) {
        handler.onResponseError(undefined, error instanceof Error ? error : new Error(String(error)));
      }
    });

  const attempt: Transport['attempt'] = async (call, deadlineMs = timeoutMs, onAttempt) => {
    if (!pace || call.turn === 'taken') return once(call, deadlineMs, onAttempt);
    const leftMs = Math.min(deadlineMs, timeoutMs);
    const endMs = performance.now() + leftMs;
    const untilMs = endMs - callTimeMs(leftMs);
    const signal = call.gone?.();
    try {
      await pace.take({ ...askOf(call.operation, call.turn), untilMs, ...(signal && { signal }) });
    } catch (thrown) {
      return notMade(thrown);
    }
    return once(call, endMs - performance.now(), onAttempt);
  };

  const read: Transport['read'] = async (call, deadlineMs = timeoutMs, onAttempt) => {
    const end = performance.now() + Math.min(deadlineMs, timeoutMs);
    retryBudget.earn();
    for (let tries = 1; ; tries++) {
      const left = end - performance.now();
      const outcome = await (tries === 1 && call.hasTurn ? once : attempt)(call, left, onAttempt);
      if (tries > 2 || !mayHeal(outcome) || (pace && call.gone?.().aborted)) return outcome;
      const waitMs = retryAfterMs(outcome) ?? readRetryMs * (1 + 3 * Math.random() * tries);
      if (performance.now() + waitMs >= end || !retryBudget.spend()) return outcome;
      await new Promise((resume) => setTimeout(resume, waitMs));
    }
  };

  return { attempt, read };
}

/**
 * What is kept of a deadline for the call itself: one whose turn comes with the last of its time would only be cut off, at the
 * cost of a call that another could have made.
 */
export const callTimeMs = (deadlineMs: number): number => Math.min(5_000, deadlineMs / 2);

/** What is left until then (performance.now()), ms; undefined: the service's own time counts. */
export const leftMs = (untilMs: number | undefined): number | undefined =>
  untilMs === undefined ? undefined : Math.max(1, untilMs - performance.now());

/** A call whose turn did not come. */
export function notMade(thrown: unknown): Failed {
  const cause = thrown instanceof Error ? thrown : new Error(String(thrown));
  return { kind: 'failed', sent: false, timedOut: false, cause };
}

/** Whose bytes an answer is made of, and what it is an answer to. */
function originOf({ operation, turn, sends, method }: Call): {
  operation: string;
  holder: string;
  answers: AnswerClass;
} {
  const holder = typeof turn === 'object' ? turn.caller : ownTurn.caller;
  return { operation, holder, answers: sends || method !== 'GET' ? 'act' : 'list' };
}

const textOf = async ({ status, headers, gathering }: Arrived): Promise<Answered> => ({
  kind: 'answered',
  status,
  ...(gathering ? await gathering.text(headers) : { text: '', headers }),
});

/** Headers are built from nothing: the gateway forwards every header that it does not know to WATI. */
export function headersOf(
  call: Pick<Call, 'connection'>,
  { key, userAgent }: Pick<TransportOptions, 'key' | 'userAgent'>,
) {
  const headers: Record<string, string> = {
    authorization: `Bearer ${key()}`,
    accept: 'application/json',
    'user-agent': userAgent,
  };
  if (call.connection !== undefined) headers['maton-connection'] = call.connection;
  return headers;
}

function toRequest(bare: Call, options: TransportOptions): Dispatcher.DispatchOptions {
  const call = onChannel(bare);
  const headers = headersOf(call, options);
  if (call.json !== undefined) headers['content-type'] = 'application/json';
  return {
    method: call.method,
    path: `${call.host === 'gateway' ? '/wati' : ''}${call.path}${queryString(call.query)}`,
    headers,
    body: call.json === undefined ? null : JSON.stringify(call.json),
  };
}

/** RFC 3986 percent-encoding, brackets included; WATI takes a JSON array as `attribute`. */
export function queryString(query: Call['query'] = {}): string {
  let text = '';
  for (const name in query) {
    const value = query[name];
    if (value !== undefined) text += `${text === '' ? '?' : '&'}${name}=${encodeURIComponent(value)}`;
  }
  return text;
}

const always = () => true;

function reportOf({ operation, host }: Call, outcome: Arrived | Failed, durationMs: number): AttemptReport {
  const status = outcome.status;
  return {
    operation,
    host,
    durationMs,
    sent: outcome.kind === 'answered' || outcome.sent,
    ...(status !== undefined && { status }),
    ...(outcome.kind === 'failed' && { failed: outcome.timedOut ? 'timeout' : codeOf(outcome.cause) }),
  };
}
