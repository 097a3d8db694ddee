import type { Json, Settlement, StoredSend } from '../store/port.ts';
import type { Refusal } from '../upstream/answers/sentences.ts';
import type { Verdict } from '../upstream/verdict.ts';

/** How a send ended, as it is kept and as a repeat is answered from it. JSON, and nothing of the customer in it. */
export type Ending =
  | { outcome: 'accepted'; evidence: Evidence; note?: { code: string; detail: string } }
  | { outcome: 'rejected'; refusal: Refusal | 'connection'; detail: string; status: number }
  | { outcome: 'not_sent'; detail: string; status?: number; retryAfterS: number }
  | { outcome: 'unknown'; detail: string; status?: number };

/** Why a send counts as accepted: WATI's answer, or what was found later (delivery.md 2.8). */
export type Evidence = 'answer' | 'local-id' | 'content';

/** What an attempt proved, as an ending; `connectionFault` and `credentials` are the control API's word on a refusal. */
export function endingOf(verdict: Verdict, told: { connectionFault?: string; credentials?: string } = {}): Ending {
  if (verdict.outcome === 'accepted') {
    const note = noteOf(verdict);
    return { outcome: 'accepted', evidence: 'answer', ...(note && { note }) };
  }
  if (verdict.outcome === 'rejected') {
    const { refusal, detail, status } = verdict;
    if (told.connectionFault !== undefined) {
      return { outcome: 'rejected', refusal: 'connection', detail: told.connectionFault, status };
    }
    return { outcome: 'rejected', refusal, detail: told.credentials ?? detail, status };
  }
  const { outcome, detail, status } = verdict;
  const known = { detail, ...(status !== undefined && { status }) };
  if (outcome === 'unknown') return { outcome, ...known };
  return { outcome, ...known, retryAfterS: Math.max(1, Math.ceil((verdict.retryAfterMs ?? 2_000) / 1000)) };
}

function noteOf({ asText, partly }: Verdict & { outcome: 'accepted' }) {
  if (partly !== undefined) return { code: 'partly-refused', detail: partly };
  return asText ? { code: 'media-sent-as-text', detail: 'WATI sent the address as a text, not the file' } : undefined;
}

/** Mark D3, as the store takes it. */
export function settlementOf(
  ending: Ending,
  ids: { localMessageId?: string; whatsappMessageId?: string } = {},
): Settlement {
  const failure = failureOf(ending);
  return { status: ending.outcome, ...ids, ...(failure && { failure }), verdict: toJson(ending) };
}

function failureOf(ending: Ending): { code: string; detail: string } | undefined {
  if (ending.outcome === 'accepted') return ending.note;
  return { code: ending.outcome === 'rejected' ? ending.refusal : ending.outcome, detail: ending.detail };
}

export const toJson = (value: object): Json => JSON.parse(JSON.stringify(value));

/** The ending that a record keeps. Records that the store ended itself (a dead owner) have a status and a failure only. */
export function keptEnding(send: StoredSend): Ending | undefined {
  if (isEnding(send.verdict) && send.verdict.outcome === send.status) return send.verdict;
  const detail = send.failure?.detail ?? 'no more is known';
  if (send.status === 'unknown') return { outcome: 'unknown', detail };
  if (send.status === 'not_sent') return { outcome: 'not_sent', detail, retryAfterS: 1 };
  return undefined;
}

/** Whether WATI knew better than our copy of its templates. */
export function isTemplateRefused(send: StoredSend): boolean {
  const ending = keptEnding(send);
  return ending?.outcome === 'rejected' && ending.refusal.startsWith('template');
}

/** Only what settlementOf wrote goes in there. */
function isEnding(verdict: unknown): verdict is Ending {
  return typeof verdict === 'object' && verdict !== null && 'outcome' in verdict;
}
