import type { Completion, Json, StoredMessage } from '../store/message-store.ts';
import type { Refusal } from '../upstream/answers/known-refusals.ts';
import type { AttemptResult } from '../upstream/attempt-result.ts';

/** The outcome of a message as it is stored. A repeated request is answered from it. JSON without customer data. */
export type Outcome =
  | { outcome: 'accepted'; evidence: Evidence; note?: { code: string; detail: string } }
  | { outcome: 'rejected'; refusal: Refusal | 'connection'; detail: string; status: number }
  | { outcome: 'not_sent'; detail: string; status?: number; retryAfterS: number; expired?: true }
  | { outcome: 'unknown'; detail: string; status?: number };

/**
 * What shows that a message was accepted: WATI's answer; a webhook or a row of a history that names it by an id (`local-id`); one
 * that fits it and no other message (`content`).
 */
export type Evidence = 'answer' | 'local-id' | 'content';

/** The outcome that an attempt proved. `connectionFault` and `credentials` are explanations from the control API. */
export function outcomeOf(
  result: AttemptResult,
  explained: { connectionFault?: string; credentials?: string } = {},
): Outcome {
  if (result.outcome === 'accepted') {
    const note = warningOf(result);
    return { outcome: 'accepted', evidence: 'answer', ...(note && { note }) };
  }
  if (result.outcome === 'rejected') {
    const { refusal, detail, status } = result;
    if (explained.connectionFault !== undefined) {
      return { outcome: 'rejected', refusal: 'connection', detail: explained.connectionFault, status };
    }
    return { outcome: 'rejected', refusal, detail: explained.credentials ?? detail, status };
  }
  const { outcome, detail, status } = result;
  const known = { detail, ...(status !== undefined && { status }) };
  if (outcome === 'unknown') return { outcome, ...known };
  const retryAfterS = Math.max(1, Math.ceil((result.retryAfterMs ?? 2_000) / 1000));
  return { outcome, ...known, retryAfterS, ...(result.expired && { expired: true }) };
}

function warningOf({ deliveredAsText, partialErrors }: AttemptResult & { outcome: 'accepted' }) {
  if (partialErrors !== undefined) return { code: 'partly-refused', detail: partialErrors };
  return deliveredAsText
    ? { code: 'media-sent-as-text', detail: 'WATI sent the address as a text, not the file' }
    : undefined;
}

/** The final state of a message, in the form that the store takes. */
export function completionOf(
  outcome: Outcome,
  ids: { localMessageId?: string; whatsappMessageId?: string } = {},
): Completion {
  const failure = failureOf(outcome);
  return { status: outcome.outcome, ...ids, ...(failure && { failure }), outcome: toJson(outcome) };
}

function failureOf(outcome: Outcome): { code: string; detail: string } | undefined {
  if (outcome.outcome === 'accepted') return outcome.note;
  const isExpired = outcome.outcome === 'not_sent' && outcome.expired === true;
  const code = outcome.outcome === 'rejected' ? outcome.refusal : isExpired ? 'expired' : outcome.outcome;
  return { code, detail: outcome.detail };
}

/** A copy without undefined properties, as JSON would have it, without the cost of JSON.stringify and JSON.parse. */
export function toJson(value: object): Json {
  if (Array.isArray(value)) return value.map(jsonOf);
  const copy: Record<string, Json> = {};
  for (const [name, field] of Object.entries(value)) {
    if (field === undefined) continue;
    // An assignment would set the prototype.
    if (name === '__proto__') Object.defineProperty(copy, name, { ...plainProperty, value: jsonOf(field) });
    else copy[name] = jsonOf(field);
  }
  return copy;
}

const plainProperty = { configurable: true, enumerable: true, writable: true };

function jsonOf(value: unknown): Json {
  if (typeof value === 'object' && value !== null) return toJson(value);
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** The outcome of a recorded message. If the store ended it itself (its owner died), the record has only a status and a failure. */
export function storedOutcome(send: StoredMessage): Outcome | undefined {
  if (isOutcome(send.outcome) && send.outcome.outcome === send.status) return send.outcome;
  const detail = send.failure?.detail ?? 'no more is known';
  if (send.status === 'unknown') return { outcome: 'unknown', detail };
  if (send.status === 'not_sent') return { outcome: 'not_sent', detail, retryAfterS: 1 };
  return undefined;
}

/** Whether WATI refused the template; the cached copy of the template may then be outdated. */
export function isTemplateRefused(send: StoredMessage): boolean {
  const outcome = storedOutcome(send);
  return outcome?.outcome === 'rejected' && outcome.refusal.startsWith('template');
}

/** The field contains only what `completionOf` wrote. */
function isOutcome(value: unknown): value is Outcome {
  return typeof value === 'object' && value !== null && 'outcome' in value;
}
