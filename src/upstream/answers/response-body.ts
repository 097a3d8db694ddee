import { isObject, parseJson } from '../tolerant-reader.ts';
import { asText } from './fields.ts';
import { reasonOf } from './reason.ts';
import { noReason } from './reported-errors.ts';

/** The error message in a response that proves nothing about the message. */
export function messageOf(text: string): string | undefined {
  const body = parseAnswer(text);
  if (!isObject(body)) return undefined;
  const reason = reasonOf(body, '');
  return reason === noReason ? undefined : reason;
}

/** Some servers write a byte order mark before their JSON. */
export const parseAnswer = (text: string): unknown => parseJson(text.startsWith('\uFEFF') ? text.slice(1) : text);

/** The value if it can be an id. */
export const idIn = (value: unknown): string | undefined => {
  const id = asText(value);
  return id !== undefined && id.length <= 256 && /^[!-~]+$/.test(id) ? id : undefined;
};
