import { assignErrors } from './answers/assign-errors.ts';
import { exhaustedQuotaOf } from './answers/exhausted-quota.ts';
import { firstOf, objectOf } from './answers/fields.ts';
import { refusalIn, type SendFamily } from './answers/known-refusals.ts';
import { reasonOf } from './answers/reason.ts';
import { entriesOf, matchReceivers, type Receiver } from './answers/receivers.ts';
import { refusalOf, saysNotOnWhatsApp } from './answers/refusal.ts';
import {
  errorsIn,
  errorsOfReceiver,
  errorsOfReceivers,
  failureOfMessage,
  notOnWhatsApp as noWhatsApp,
  type ReportedError,
  textOfErrors,
} from './answers/reported-errors.ts';
import { idIn, messageOf, parseAnswer } from './answers/response-body.ts';
import { listedErrors, looksFailed } from './answers/signs-of-failure.ts';
import { rejectingStatuses, unprocessedStatuses } from './answers/statuses.ts';
import { successOf } from './answers/success-flags.ts';
import { type AttemptResult, withheld } from './attempt-result.ts';
import { codeOf } from './error-code.ts';
import { retryAfterMs } from './retry.ts';
import { scrubErrorText } from './scrub-error-text.ts';
import { isObject, type JsonObject } from './tolerant-reader.ts';
import type { HttpResult } from './types.ts';
import { WithheldError } from './withheld-error.ts';

/** The kind of call that the response belongs to. */
export interface ResponseExpectation {
  media?: boolean;
  /** A template message, which a closed conversation does not affect. */
  template?: boolean;
  /** One call for many recipients, without a result for each of them: WATI's CSV route. */
  bulk?: boolean;
  /** The final boundary of a streamed body was not sent, so the upstream cannot have a complete request. */
  incompleteBody?: boolean;
}

/** Classifies a failure by `bytesSent` and a response by its status. Anything that is not proved is `unknown`. */
export const classify = (attempt: HttpResult, expected: ResponseExpectation = {}): AttemptResult =>
  withoutKey(attempt, classifyWhole(attempt, expected));

/** If the response contained a key, its classification is kept, and the upstream's words and ids are dropped. */
function withoutKey(attempt: HttpResult, result: AttemptResult): AttemptResult {
  if (attempt.kind === 'failed' || !attempt.containedKey) return result;
  if (result.outcome !== 'accepted') return { ...result, detail: keyQuoted };
  const { deliveredAsText, partialErrors } = result;
  return {
    outcome: 'accepted',
    ...(deliveredAsText && { deliveredAsText }),
    ...(partialErrors !== undefined && { partialErrors: keyQuoted }),
  };
}

const keyQuoted = 'the reason held a credential of this service, and is left out';

function classifyWhole(attempt: HttpResult, expected: ResponseExpectation): AttemptResult {
  if (attempt.kind === 'failed') {
    // A status that is a definite refusal counts even if its body was cut off.
    const { status } = attempt;
    if (status !== undefined && rejectingStatuses.has(status))
      return rejected({ status, text: '', body: undefined }, familyOf(expected));
    if (status !== undefined && unprocessedStatuses.has(status)) return unprocessed(status, attempt);
    if (attempt.cause instanceof WithheldError) return withheld;
    if (!attempt.bytesSent || expected.incompleteBody) {
      const retryable = !/CERT|SELF_SIGNED|ERR_SSL|ERR_TLS/.test(codeOf(attempt.cause));
      const detail = attempt.bytesSent ? 'the upload broke off before its end' : 'the gateway could not be reached';
      return { outcome: 'not_sent', detail, retryable };
    }
    const detail = attempt.timedOut
      ? 'no answer came before the deadline; it may or may not have been sent'
      : 'the connection was lost after the request had gone out; it may or may not have been sent';
    return { outcome: 'unknown', detail, ...(status !== undefined && { status }) };
  }

  const { status, text } = attempt;
  if (expected.incompleteBody) {
    if (status === 408 || status >= 500) {
      return {
        outcome: 'not_sent',
        detail: `the upstream answered ${status} before the upload was complete`,
        status,
        retryable: true,
      };
    }
    // A success for an incomplete file: it is unknown what the customer gets.
    if (status < 300) return unrecognized(status);
  }
  if (status >= 200 && status < 300) return classifyBody({ status, text }, expected);
  if (rejectingStatuses.has(status)) return rejected({ status, text, body: parseAnswer(text) }, familyOf(expected));
  if (unprocessedStatuses.has(status)) return unprocessed(status, attempt);
  const reason = messageOf(text);
  const said = reason === undefined ? '' : ` (${reason})`;
  return {
    outcome: 'unknown',
    detail: `the upstream answered ${status}${said}; it may or may not have been sent`,
    status,
  };
}

function classifyBody(
  { status, text }: { status: number; text: string },
  expected: ResponseExpectation,
): AttemptResult {
  const body = parseAnswer(text);
  if (!isObject(body)) return unrecognized(status);
  const family = familyOf(expected);
  const said = successOf(body);
  if (said === 'no') return rejected({ status, text, body }, family);
  if (said === 'unclear') return unrecognized(status);
  if (saysNotOnWhatsApp(body)) return notOnWhatsApp(status);
  const faults = [...errorsIn(body), ...errorsOfReceivers(body)];
  if (faults.length > 0 && !expected.bulk) return rejectedFor(faults, status, family);
  const failure = failureOfMessage(body);
  if (failure !== undefined) return rejectedBecause(failure, status, family);
  if (looksFailed(body, expected.bulk ? listedErrors : [])) return unrecognized(status);

  const message = objectOf(firstOf(body, 'message'));
  const whatsappMessageId = idIn(firstOf(message, 'whatsappMessageId'));
  return {
    outcome: 'accepted',
    ...(whatsappMessageId !== undefined && { whatsappMessageId }),
    // Some tenants send the address of a file as a text message.
    ...(expected.media && message.type === 'text' && { deliveredAsText: true }),
    ...(faults.length > 0 && { partialErrors: textOfErrors(faults) }),
  };
}

const familyOf = ({ bulk, template }: ResponseExpectation): SendFamily => (bulk || template ? 'template' : 'session');

/**
 * What the answer to a bulk call proves about each receiver, in order. A result for the whole call is one shared object. A
 * receiver that the answer does not name is `unknown`; one that was not in the call is ignored.
 */
export function classifyBatch(attempt: HttpResult, receivers: readonly Receiver[]): AttemptResult[] {
  const results = classifyEach(attempt, receivers);
  if (attempt.kind === 'failed' || !attempt.containedKey) return results;
  // A result for the whole call stays one shared object.
  const known = new Map<AttemptResult, AttemptResult>();
  return results.map((result) => {
    const clean = known.get(result) ?? withoutKey(attempt, result);
    known.set(result, clean);
    return clean;
  });
}

function classifyEach(attempt: HttpResult, receivers: readonly Receiver[]): AttemptResult[] {
  const toAll = (result: AttemptResult) => receivers.map(() => result);
  if (attempt.kind === 'failed' || attempt.status < 200 || attempt.status >= 300) {
    return toAll(classifyWhole(attempt, { template: true }));
  }
  const { status, text } = attempt;
  const body = parseAnswer(text);
  if (!isObject(body)) return toAll(unrecognized(status));
  const said = successOf(body);
  if (said === 'unclear') return toAll(unrecognized(status));
  const alone = receivers.length === 1;
  const named = entriesOf(firstOf(body, 'receivers'));
  if (said === 'no' && (alone || !named || named.length === 0))
    return toAll(rejected({ status, text, body }, 'template'));
  if (saysNotOnWhatsApp(body)) return toAll(alone ? notOnWhatsApp(status) : unrecognized(status));

  const faults = assignErrors(errorsIn(body), receivers);
  const failure = failureOfMessage(body);
  if (failure !== undefined) return toAll(alone ? rejectedBecause(failure, status, 'template') : unrecognized(status));
  const isDoubtful = said === 'no' || faults.ofNobody || looksFailed(body, listedErrors);
  const entries = named && matchReceivers(named, receivers);
  const doubtful = unrecognized(status);
  const unnamed: AttemptResult = { outcome: 'unknown', detail: 'the answer does not name this recipient', status };
  return receivers.map((receiver) => {
    const entry = entries?.get(receiver);
    const result = entries ? (entry ? classifyReceiver(status, entry) : unnamed) : ({ outcome: 'accepted' } as const);
    const own = faults.of(receiver);
    if (own.length > 0 && result.outcome !== 'rejected') return rejectedFor(own, status, 'template');
    // Either the call failed, or an error names no receiver; this receiver has no error of its own.
    return isDoubtful && result.outcome === 'accepted' ? doubtful : result;
  });
}

function classifyReceiver(status: number, entry: JsonObject): AttemptResult {
  const faults = errorsOfReceiver(entry);
  if (faults.length > 0) return rejectedFor(faults, status, 'template');
  if (looksFailed(entry)) return unrecognized(status);
  const localMessageId = idIn(firstOf(entry, 'localMessageId'));
  return { outcome: 'accepted', ...(localMessageId !== undefined && { localMessageId }) };
}

/** Not processed, so `not_sent`. An exhausted quota does not recover before the deadline of a send, so it is `rejected`. */
function unprocessed(status: number, answer: HttpResult): AttemptResult {
  const spent = exhaustedQuotaOf(answer);
  if (spent) return { outcome: 'rejected', refusal: spent.refusal, detail: spent.words, status };
  const waitMs = retryAfterMs(answer);
  const reason = answer.kind === 'answered' ? messageOf(answer.text) : undefined;
  const ours = status === 429 ? 'the upstream limits the rate' : 'the upstream did not process the request';
  return {
    outcome: 'not_sent',
    detail: reason === undefined ? ours : `${ours} (${reason})`,
    status,
    retryable: true,
    ...(waitMs !== undefined && { retryAfterMs: waitMs }),
  };
}

function unrecognized(status: number): AttemptResult {
  const detail = 'the answer of the upstream cannot be understood; it may or may not have been sent';
  return { outcome: 'unknown', detail, status };
}

function notOnWhatsApp(status: number): AttemptResult {
  return { outcome: 'rejected', refusal: 'recipient', detail: noWhatsApp, status };
}

interface RejectingAnswer {
  status: number;
  text: string;
  /** The text, parsed as JSON. */
  body: unknown;
}

function rejected({ status, text, body }: RejectingAnswer, family: SendFamily): AttemptResult {
  const detail = reasonOf(body, text);
  const refusal = refusalOf({ status, body, text, detail, family });
  return { outcome: 'rejected', refusal, detail: refusal === 'edge' ? refusedByEdge : detail, status };
}

const refusedByEdge = 'what stands in front of WATI refuses something in this content, with a page in HTML';

/** A rejection for the errors in the response. */
function rejectedFor(faults: readonly ReportedError[], status: number, family: SendFamily): AttemptResult {
  const detail = textOfErrors(faults);
  const listed = faults.find((fault) => fault.refusal !== undefined)?.refusal;
  if (listed === undefined) return rejectedBecause(detail, status, family);
  return { outcome: 'rejected', refusal: listed, detail: scrubErrorText(detail), status };
}

function rejectedBecause(words: string, status: number, family: SendFamily): AttemptResult {
  return { outcome: 'rejected', refusal: refusalIn(words, family) ?? 'other', detail: scrubErrorText(words), status };
}
