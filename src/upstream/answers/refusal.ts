import { isObject, type JsonObject } from '../tolerant-reader.ts';
import { firstOf, flagOf, valuesOf } from './fields.ts';
import { isBareDenial, type Refusal, refusalIn, type SendFamily } from './known-refusals.ts';
import { reasonOf } from './reason.ts';
import { errorsIn } from './reported-errors.ts';

interface Refused {
  readonly status: number;
  readonly body: unknown;
  readonly text: string;
  readonly detail: string;
  readonly family: SendFamily;
}

/**
 * Classifies a refusal by its words, then by its status. The status alone does not tell the cause: an edge answers 403 in HTML
 * to a certain value in a text, and WATI answers 403 for a plan that lacks a feature.
 */
export function refusalOf({ status, body, text, detail, family }: Refused): Refusal {
  if (status >= 300 && status < 400) return 'redirect';
  const isPage = text.trimStart().startsWith('<');
  if (status === 403 && isPage) return 'edge';
  if (status === 401) {
    const said = isPage ? undefined : refusalIn(detail, family);
    return said === 'account' || said === 'quota' ? said : 'credentials';
  }
  const listed = isObject(body) ? errorsIn(body).find((fault) => fault.refusal !== undefined)?.refusal : undefined;
  const seen = (isPage ? undefined : refusalIn(detail, family)) ?? listed;
  if (seen !== undefined) return seen;
  if (isObject(body)) {
    if (saysNotOnWhatsApp(body)) return 'recipient';
    if (/^(closed|expired|solved)$/i.test(String(firstOf(body, 'ticketStatus')))) return 'window-closed';
  }
  // A 403 without words is about the credentials.
  if (status === 403) return isBare(body, text, detail) ? 'credentials' : 'other';
  if (status === 404) return isPage ? 'route' : 'recipient';
  return status === 400 ? 'bad-request' : 'other';
}

const isBare = (body: unknown, text: string, detail: string): boolean =>
  (body === undefined && text.trim() === '') || isBareDenial(detail);

/** What a 401 or 403 to a read or a change is about: the credentials; or a plan, a role or something in the request. */
export const denialIn = (status: number, body: unknown, text: string): Refusal =>
  refusalOf({ status, body, text, detail: reasonOf(body, text), family: 'session' });

export const saysNotOnWhatsApp = (body: JsonObject): boolean =>
  valuesOf(body, 'validWhatsAppNumber').some((value) => flagOf(value) === false);
