import { foreignPatterns } from '../patterns.ts';
import { codeOf } from './error-code.ts';
import { bool, faultOf, isObject, type JsonObject, list, parseJson, reasonOf, str } from './lenient.ts';
import { retryAfterMs } from './retry.ts';
import type { Attempt } from './transport.ts';

/** Why WATI or the gateway refused; the answer to the caller follows from it (contract 5). */
export type Refusal =
  | 'window-closed'
  | 'recipient'
  | 'opted-out'
  | 'template-parameters'
  | 'template'
  | 'credentials'
  | 'bad-request'
  | 'redirect'
  | 'other';

/** What one attempt of a send proves (delivery.md 2.3 and 2.4). */
export type Verdict =
  | { outcome: 'accepted'; whatsappMessageId?: string; localMessageId?: string; asText?: boolean; partly?: string }
  | { outcome: 'rejected'; refusal: Refusal; detail: string; status: number }
  | { outcome: 'not_sent'; detail: string; status?: number; retryAfterMs?: number; heals: boolean }
  | { outcome: 'unknown'; detail: string; status?: number };

/** A receiver of a bulk call. */
export interface Receiver {
  phone: string;
  localMessageId: string;
}

/** Whether a file must come back as one, and who answers for whom. */
export interface Expectation {
  media?: boolean;
  /** One call for many recipients, of whom WATI answers for none (contract 2, sendTemplateCsv). */
  many?: boolean;
  /** The last boundary of a streamed body never went out: nobody has the whole of it (delivery.md 2.3). */
  cut?: boolean;
}

/** Statuses that are a refusal in so many words (delivery.md 2.4). 307, 308 and 300 say "not here": nothing was processed. */
const refusals = new Set([
  300, 307, 308, 400, 401, 403, 404, 405, 406, 409, 410, 411, 413, 414, 415, 417, 422, 431, 501, 505,
]);
const notProcessed = new Set([421, 425, 429]);

/** `sent` of the attempt decides over a failure, the status over an answer; whatever is not proved is `unknown`. */
export const judge = (attempt: Attempt, expected: Expectation = {}): Verdict =>
  withoutKey(attempt, judgeWhole(attempt, expected));

/** Where the upstream quoted our key, what happened stands, and nothing of its own words and ids is kept. */
function withoutKey(attempt: Attempt, verdict: Verdict): Verdict {
  if (attempt.kind === 'failed' || !attempt.heldKey) return verdict;
  if (verdict.outcome === 'rejected') return { ...verdict, detail: keyQuoted };
  if (verdict.outcome !== 'accepted') return verdict;
  const { asText, partly } = verdict;
  return { outcome: 'accepted', ...(asText && { asText }), ...(partly !== undefined && { partly: keyQuoted }) };
}

const keyQuoted = 'the reason held a credential of this service, and is left out';

function judgeWhole(attempt: Attempt, expected: Expectation): Verdict {
  if (attempt.kind === 'failed') {
    // What a status says in so many words stands, even if its body broke afterwards (delivery.md 2.3, footnote).
    const { status } = attempt;
    if (status !== undefined && refusals.has(status)) return refused(status, undefined, '');
    if (status !== undefined && notProcessed.has(status)) return turnedAway(status, attempt);
    if (!attempt.sent || expected.cut) {
      const heals = !/CERT|SELF_SIGNED|ERR_SSL|ERR_TLS/.test(codeOf(attempt.cause));
      const detail = attempt.sent ? 'the upload broke off before its end' : 'the gateway could not be reached';
      return { outcome: 'not_sent', detail, heals };
    }
    const detail = attempt.timedOut
      ? 'no answer came before the deadline; it may or may not have been sent'
      : 'the connection was lost after the request had gone out; it may or may not have been sent';
    return { outcome: 'unknown', detail, ...(status !== undefined && { status }) };
  }

  const { status, text } = attempt;
  if (expected.cut) {
    if (status === 408 || status >= 500) {
      return {
        outcome: 'not_sent',
        detail: `the upstream answered ${status} before the upload was complete`,
        status,
        heals: true,
      };
    }
    // A success for half a file: nobody can tell what the customer gets.
    if (status < 300) return strange(status);
  }
  if (status >= 200 && status < 300) return judgeBody(status, parseJson(text), text, expected);
  if (refusals.has(status)) return refused(status, parseJson(text), text);
  if (notProcessed.has(status)) return turnedAway(status, attempt);
  return { outcome: 'unknown', detail: `the upstream answered ${status}; it may or may not have been sent`, status };
}

function judgeBody(status: number, body: unknown, text: string, expected: Expectation): Verdict {
  if (!isObject(body)) return strange(status);
  const { yes, no } = flags(body);
  // One flag says yes, another no: neither can be believed.
  if (yes && no) return strange(status);
  if (no) return refused(status, body, text);
  if (!yes) return strange(status);
  if (body.validWhatsAppNumber === false) return notOnWhatsApp(status);
  const errors = faultOf(body.errors);
  if (errors !== '' && !expected.many) return refused(status, body, text);

  const message = isObject(body.message) ? body.message : {};
  const whatsappMessageId = idIn(message.whatsappMessageId);
  return {
    outcome: 'accepted',
    ...(whatsappMessageId !== undefined && { whatsappMessageId }),
    // Some tenants send the address of a file as a text (upstream.md 3.4).
    ...(expected.media && message.type === 'text' && { asText: true }),
    ...(errors !== '' && { partly: reasonOf({ errors }, '') }),
  };
}

/** `result` has four spellings; `ok` and `success` stand in for it (upstream.md 3.0). */
export function flags(body: JsonObject): { yes: boolean; no: boolean } {
  const said = [body.result, body.ok, body.success].filter((value) => value !== undefined && value !== null);
  const yes = said.some(isYes);
  const no = said.some((value) => value === false || (typeof value === 'string' && !isYes(value)));
  return { yes, no: no || (typeof body.error === 'string' && body.error.trim() !== '') };
}

const isYes = (value: unknown) => value === true || (typeof value === 'string' && /^(success|true)$/i.test(value));

/**
 * What a bulk answer proves for each receiver, in order (delivery.md 2.4, third row). A verdict on the whole call is one
 * object for all of them. Who is not named is unknown, who is named and was not asked for is ignored.
 */
export function judgeReceivers(attempt: Attempt, receivers: readonly Receiver[]): Verdict[] {
  const verdicts = judgeEach(attempt, receivers);
  if (attempt.kind === 'failed' || !attempt.heldKey) return verdicts;
  // A verdict on the whole call stays one object.
  const known = new Map<Verdict, Verdict>();
  return verdicts.map((verdict) => {
    const clean = known.get(verdict) ?? withoutKey(attempt, verdict);
    known.set(verdict, clean);
    return clean;
  });
}

function judgeEach(attempt: Attempt, receivers: readonly Receiver[]): Verdict[] {
  const toAll = (verdict: Verdict) => receivers.map(() => verdict);
  if (attempt.kind === 'failed' || attempt.status < 200 || attempt.status >= 300) return toAll(judgeWhole(attempt, {}));
  const { status, text } = attempt;
  const body = parseJson(text);
  if (!isObject(body)) return toAll(strange(status));
  const { yes, no } = flags(body);
  if (yes === no) return toAll(strange(status));
  const one = receivers.length === 1;
  const named = Array.isArray(body.receivers) ? list(body.receivers).filter(isObject) : undefined;
  if (no && (one || !named || named.length === 0)) return toAll(refused(status, body, text));
  if (body.validWhatsAppNumber === false) return toAll(one ? notOnWhatsApp(status) : strange(status));
  const find = named && finder(named);
  return receivers.map((receiver) => {
    const verdict = find ? judgeNamed(status, find(receiver)) : judgeUnnamed(status, body.errors, receiver, one);
    // The call is said to have failed, yet nothing is held against this one: neither can be believed.
    return no && verdict.outcome === 'accepted' ? strange(status) : verdict;
  });
}

/** By our own id, else by the number. */
function finder(entries: readonly JsonObject[]): (receiver: Receiver) => JsonObject | undefined {
  const byId = new Map<unknown, JsonObject>();
  const byPhone = new Map<unknown, JsonObject>();
  for (const entry of entries) {
    if (!byId.has(entry.localMessageId)) byId.set(entry.localMessageId, entry);
    const phone = str(entry.waId)?.replace(/^\+/, '');
    if (!byPhone.has(phone)) byPhone.set(phone, entry);
  }
  return ({ localMessageId, phone }) => byId.get(localMessageId) ?? byPhone.get(phone);
}

function judgeNamed(status: number, entry: JsonObject | undefined): Verdict {
  if (!entry) return { outcome: 'unknown', detail: 'the answer does not name this recipient', status };
  if (bool(entry.isValidWhatsAppNumber) === false) return notOnWhatsApp(status);
  if (faultOf(entry.errors) !== '') return refused(status, { errors: entry.errors }, '');
  const localMessageId = idIn(entry.localMessageId);
  return { outcome: 'accepted', ...(localMessageId !== undefined && { localMessageId }) };
}

/** A tenant's whole acknowledgement can be {"result":true} (upstream.md 3.6, contract 8.15). */
function judgeUnnamed(status: number, errors: unknown, { phone }: Receiver, one: boolean): Verdict {
  const mine = isObject(errors) ? errors[phone] : one ? errors : undefined;
  if (faultOf(mine) !== '') return refused(status, { errors: mine }, '');
  // Something went wrong for somebody in the group, and it is not said for whom.
  return isObject(errors) || one || faultOf(errors) === '' ? { outcome: 'accepted' } : strange(status);
}

/** An id that can be one: anything else is as good as none. */
const idIn = (value: unknown): string | undefined => {
  const id = str(value);
  return id !== undefined && id.length <= 256 && /^[!-~]+$/.test(id) ? id : undefined;
};

function turnedAway(status: number, answer: Attempt): Verdict {
  const waitMs = retryAfterMs(answer);
  const detail = status === 429 ? 'the upstream limits the rate' : 'the upstream did not process the request';
  return { outcome: 'not_sent', detail, status, heals: true, ...(waitMs !== undefined && { retryAfterMs: waitMs }) };
}

function strange(status: number): Verdict {
  const detail = 'the answer of the upstream cannot be understood; it may or may not have been sent';
  return { outcome: 'unknown', detail, status };
}

function notOnWhatsApp(status: number): Verdict {
  return { outcome: 'rejected', refusal: 'recipient', detail: 'the number is not on WhatsApp', status };
}

function refused(status: number, body: unknown, text: string): Verdict {
  return { outcome: 'rejected', refusal: refusalOf(status, body, text), detail: reasonOf(body, text), status };
}

const { expired, optedOut, recipient, parameters, noTemplate, template, templateFault } = foreignPatterns;

const texts: [(reason: string) => boolean, Refusal][] = [
  [(reason) => expired.pattern.test(reason), 'window-closed'],
  [(reason) => optedOut.pattern.test(reason), 'opted-out'],
  [(reason) => recipient.pattern.test(reason), 'recipient'],
  [(reason) => parameters.pattern.test(reason), 'template-parameters'],
  [(reason) => noTemplate.pattern.test(reason) || isTemplateFault(reason), 'template'],
];

/** The fault is named behind the template. */
function isTemplateFault(reason: string): boolean {
  const at = reason.search(template.pattern);
  return at >= 0 && templateFault.pattern.test(reason.slice(at));
}

/** Sorts a refusal by status, then by the texts that were seen (upstream.md 3.3, 3.6). */
function refusalOf(status: number, body: unknown, text: string): Refusal {
  if (status === 401 || status === 403) return 'credentials';
  if (status >= 300 && status < 400) return 'redirect';
  if (isObject(body)) {
    if (typeof body.ticketStatus === 'string') return 'window-closed';
    if (body.validWhatsAppNumber === false) return 'recipient';
  }
  if (status === 404) return 'recipient';
  const reason = reasonOf(body, text);
  const seen = texts.find(([says]) => says(reason))?.[1];
  return seen ?? (status === 400 ? 'bad-request' : 'other');
}
