import type { JsonObject } from '../tolerant-reader.ts';
import { asText, flagOf, isId, objectOf, valuesOf } from './fields.ts';
import { isKnownRefusal } from './known-refusals.ts';

/**
 * Evaluates the flags of a response for the whole call. `result`, `ok` and `success` mean the same; `result` may also contain
 * an id (success) or the text of an error. `unclear`: the flags contradict each other, or none is known.
 */
export type Success = 'yes' | 'no' | 'unclear';

const flagFields = ['result', 'ok', 'success'];

export function successOf(body: JsonObject): Success {
  const spoken: (Success | 'nothing')[] = [];
  for (const name of flagFields) for (const value of valuesOf(body, name)) spoken.push(flagIn(value));
  const yes = spoken.includes('yes');
  const no = spoken.includes('no') || hasError(body);
  if (yes) return no || spoken.includes('unclear') || holdsRefusal(body) ? 'unclear' : 'yes';
  return no ? 'no' : 'unclear';
}

function flagIn(value: unknown): Success | 'nothing' {
  const flag = flagOf(value);
  if (flag !== undefined) return flag ? 'yes' : 'no';
  // An object in `result` is the created resource and does not show success or failure.
  if (value === null || value === undefined || typeof value === 'object') return 'nothing';
  const words = asText(value);
  if (words === undefined || typeof value === 'number') return 'unclear';
  if (isId(words)) return 'yes';
  return isKnownRefusal(words) ? 'no' : 'unclear';
}

/** `error` is a text or an object with one; empty, it means no error. */
function hasError(body: JsonObject): boolean {
  return valuesOf(body, 'error').some((error) => {
    if (error === true) return true;
    const { message, description, code } = objectOf(error);
    return [error, message, description, code].some((value) => typeof value !== 'boolean' && asText(value));
  });
}

/** Words of a refusal beside a success flag, or a closed conversation: neither the flag nor the words can be trusted. */
function holdsRefusal(body: JsonObject): boolean {
  const closed = valuesOf(body, 'ticketStatus').some((value) => /^(closed|expired|block(ed)?)$/i.test(String(value)));
  return closed || wordFields.some((name) => valuesOf(body, name).some(isRefusal));
}

const wordFields = ['message', 'info', 'detail', 'title'];
const isRefusal = (value: unknown): boolean => typeof value === 'string' && isKnownRefusal(value);
