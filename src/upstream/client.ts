import { memoizeLast } from '../lib/memoize.ts';
import { foreignPatterns } from '../lib/patterns.ts';
import { toError } from '../lib/to-error.ts';
import { withTimeout } from '../lib/with-timeout.ts';
import { Problem } from '../problem.ts';
import { RateLimitTimeoutError } from '../rate-limit/types.ts';
import { exhaustedQuotaOf } from './answers/exhausted-quota.ts';
import { isBareDenial } from './answers/known-refusals.ts';
import { reasonOf } from './answers/reason.ts';
import { denialIn } from './answers/refusal.ts';
import { noReason } from './answers/reported-errors.ts';
import { successOf } from './answers/success-flags.ts';
import { BodyRejectedError } from './body-rejected-error.ts';
import { describeFailure, type Side } from './describe-failure.ts';
import { remainingMs } from './permits.ts';
import type { ReadCoalescer, ReadContext } from './request-coalescing.ts';
import { retryAfterMs } from './retry.ts';
import { isObject, type JsonObject, parseJson } from './tolerant-reader.ts';
import type { Transport } from './transport.ts';
import type { Call, HttpResponse, HttpResult } from './types.ts';

/** The caller, deadline and connection of upstream calls. `onAttempt` records the calls in the request's log line. */
export interface CallContext extends ReadContext {
  connection: string;
  /** The company's own number, for operations that take one; absent: WATI's default. */
  channel?: string | undefined;
}

/** Asks the control API whether the key, the connection or WATI is at fault, if it answers before `deadline` (performance.now()). */
export interface AuthDiagnosis {
  unauthorized(deadline?: number): Promise<string>;
  connectionProblem(connection: string, reason: string, deadline?: number): Promise<string | undefined>;
}

/** `get` for reads; `write` for changes that send no message. */
export interface Client {
  get(context: CallContext, call: Omit<Call, 'host' | 'method'>): Promise<unknown>;
  write(context: CallContext, call: Omit<Call, 'host'>): Promise<JsonObject>;
}

export function createClient(transport: Transport, reads: ReadCoalescer, diagnosis: AuthDiagnosis): Client {
  return {
    get: async (context, call) => {
      const { connection, channel } = context;
      const full = { ...call, host: 'gateway', method: 'GET', connection, channel } as const;
      return parseOrThrow(await reads.read(full, context), context, diagnosis);
    },
    write: async (context, call) => {
      const { connection, channel, priority } = context;
      const full: Call = { ...call, host: 'gateway', connection, channel, ...(priority && { priority }) };
      const body = await parseOrThrow(
        await transport.execute(full, remainingMs(context.deadline), context.onAttempt),
        context,
        diagnosis,
      );
      if (!isObject(body)) throw unrecognizedResponse();
      return body;
    },
  };
}

/** A write is a success only with a flag for success and without one for failure: WATI also refuses with a 200. */
export function assertSuccess(body: JsonObject): void {
  const said = successOf(body);
  if (said === 'no') throw refusedProblem(200, reasonOf(body, ''));
  if (said !== 'yes') throw unrecognizedResponse();
}

const jsonOf = memoizeLast(({ text }: HttpResponse) => parseJson(text));

/** The answer's JSON. Throws the Problem that a read gets (docs/reference/contract.md, "Problems"). */
async function parseOrThrow(answer: HttpResult, context: CallContext, diagnosis: AuthDiagnosis): Promise<unknown> {
  if (answer.kind === 'failed') throw unreachable(answer);
  const { status } = answer;
  if (status < 200 || status >= 300) throw await refusedBy(answer, context, diagnosis);
  if (answer.containedKey) throw keyEchoed(status);
  const body = jsonOf(answer);
  if (body === undefined) throw unrecognizedResponse(status);
  return body;
}

/** The Problem for an answer that is no 2xx: its cause, and the upstream's words. */
export async function refusedBy(
  answer: HttpResponse,
  context: CallContext,
  diagnosis: AuthDiagnosis,
): Promise<Problem> {
  const { status, text, containedKey } = answer;
  if (containedKey && !isExplainedByStatus(status)) return keyEchoed(status);
  const body = jsonOf(answer);
  const reason = reasonOf(body, text);
  const upstream = { status };
  if (status === 401 || status === 403) {
    const about = containedKey ? 'credentials' : denialIn(status, body, text);
    if (about === 'quota') return quotaSpent({ status, detail: reason });
    if (about === 'credentials') {
      return new Problem('upstream-unauthorized', await diagnosis.unauthorized(context.deadline), { upstream });
    }
  }
  if (status === 400) {
    const fault = await diagnosis.connectionProblem(context.connection, reason, context.deadline);
    if (fault !== undefined) return new Problem('connection-unusable', fault, { upstream });
  }
  return statusProblem(answer, reason);
}

/** Whether the status alone explains the refusal: credentials, or too many calls. The body of such an answer is not read. */
export const isExplainedByStatus = (status: number): boolean => status === 401 || status === 403 || status === 429;

/** When the quota is renewed is unknown, and a retry before that does not help. */
const spentRetryAfterS = 3_600;

/** The Problem for a status that is neither 2xx nor about credentials or connections. */
export function statusProblem(answer: HttpResult & { kind: 'answered' }, reason: string): Problem {
  const { status } = answer;
  const upstream = { status, detail: reason };
  const spent = exhaustedQuotaOf(answer);
  if (spent) return quotaSpent({ status, detail: spent.words });
  if (status === 429) {
    const retryAfterS = Math.max(1, Math.ceil((retryAfterMs(answer) ?? 1000) / 1000));
    const words = isBareDenial(reason) || !isObject(parseJson(answer.text)) ? {} : { detail: reason };
    return new Problem('rate-limited', 'the upstream limits the rate', { upstream: { status, ...words }, retryAfterS });
  }
  if (status >= 500 || status === 408) {
    return new Problem('upstream-unavailable', `the upstream answered ${status}`, { upstream, retryAfterS: 2 });
  }
  if (status >= 400) return refusedProblem(status, reason);
  return new Problem('upstream-invalid', `the upstream answered ${status}, which is not followed`, {
    upstream: { status },
  });
}

const quotaSpent = (upstream: { status: number; detail: string }): Problem =>
  new Problem('quota-spent', 'WATI says that the account has spent its quota; upstream.detail has its words', {
    upstream,
    retryAfterS: spentRetryAfterS,
  });

/** A refusal of a read or a change, in WATI's words. */
export function refusedProblem(status: number, reason: string): Problem {
  if (status === 404 || isUnknownContact(reason)) {
    return new Problem('not-found', 'WATI knows no such contact', { upstream: { status, detail: reason } });
  }
  const detail = asksForChannel(status, reason)
    ? 'WATI refused this, because the account has several numbers: name the one that is meant in `channel`; its own words are in upstream.detail'
    : 'WATI refused this; its own words are in upstream.detail';
  return new Problem('upstream-rejected', detail, { upstream: { status, detail: reason } });
}

/** Whether a refusal asks for the company's number, because the contact may have a conversation with several of them. */
export const asksForChannel = (status: number, reason: string): boolean =>
  foreignPatterns.wantsChannel.pattern.test(reason) || (status === 409 && reason === noReason);

export const isUnknownContact = (reason: string): boolean => foreignPatterns.unknownContact.pattern.test(reason);

/** The Problem for a call without a complete answer. The error code is only logged. */
export function unreachable(failed: HttpResult & { kind: 'failed' }, side: Side = 'gateway'): Problem {
  const { cause } = failed;
  if (cause instanceof RateLimitTimeoutError) {
    const detail = 'the calls that Maton and WATI allow a second are spent for as long as you would wait';
    return new Problem('rate-limited', detail, {
      cause,
      retryAfterS: Math.max(1, Math.ceil(cause.retryAfterMs / 1000)),
    });
  }
  if (cause instanceof BodyRejectedError) return bodyRejected(cause, failed.status);
  if (failed.timedOut) return new Problem('upstream-timeout', 'the upstream did not answer in time', { cause });
  return new Problem('upstream-unavailable', describeFailure(cause, side), { cause, retryAfterS: 2 });
}

/** The Problem for a body that was not read. */
function bodyRejected(cause: BodyRejectedError, status: number | undefined): Problem {
  if (cause.code === 'KEY_ECHOED') return keyEchoed(status);
  const upstream = status !== undefined && { upstream: { status } };
  if (cause.code === 'ANSWER_TOO_LONG') {
    return new Problem('upstream-invalid', 'the answer of the upstream is longer than any of its kind', {
      cause,
      ...upstream,
    });
  }
  const detail = 'as many bytes of answers are on their way as there may be; ask again, or for smaller pages';
  return new Problem('upstream-unavailable', detail, { cause, retryAfterS: 1, ...upstream });
}

/** The response contained a key of this service. */
export const keyEchoed = (status: number | undefined): Problem =>
  new Problem('upstream-invalid', 'the answer of the upstream held a credential of this service, and is withheld', {
    ...(status !== undefined && { upstream: { status } }),
  });

/** Waits for shared work until the deadline of one request. The work continues for the others. Throws `upstream-timeout`. */
export async function withDeadline<Value>(shared: Promise<Value>, deadline: number | undefined): Promise<Value> {
  const ms = remainingMs(deadline);
  if (ms === undefined) return shared;
  return withTimeout(shared, ms, () => {
    const cause = new Error('the total deadline of the call passed');
    throw unreachable({ kind: 'failed', bytesSent: true, timedOut: true, cause });
  });
}

/** The Problem for an answer whose body was aborted after its status. */
export function responseAborted(thrown: unknown): Problem {
  const cause = toError(thrown);
  return unreachable({ kind: 'failed', bytesSent: true, timedOut: cause.name === 'TimeoutError', cause });
}

export const unrecognizedResponse = (status?: number): Problem =>
  new Problem('upstream-invalid', 'the answer of the upstream cannot be understood', {
    ...(status !== undefined && { upstream: { status } }),
  });
