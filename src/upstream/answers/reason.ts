import { scrubErrorText } from '../scrub-error-text.ts';
import { asArray, isObject, type JsonObject } from '../tolerant-reader.ts';
import { asText, firstOf, flagOf, isId, objectOf, valuesOf } from './fields.ts';
import { errorsIn, noReason, textOfErrors } from './reported-errors.ts';

/** The most characters of a text that is not JSON which are shown as a reason. */
const readMax = 1_000;

/**
 * Why the upstream refused, in its own words, scrubbed: its sentence, and the details that it lists. A mere title ("One or more
 * validation errors occurred.") is used only if there is nothing else.
 */
export function reasonOf(body: unknown, text: string): string {
  const reason = isObject(body) ? reasonIn(body) : undefined;
  if (reason !== undefined) return scrubErrorText(reason);
  const listed = Array.isArray(body) ? textOfErrors(errorsIn({ errors: body })) : '';
  if (listed !== '') return scrubErrorText(listed);
  const start = text.slice(0, readMax).trim();
  if (start.startsWith('<')) return 'the upstream returned HTML';
  return body === undefined && start !== '' ? scrubErrorText(start) : noReason;
}

function reasonIn(body: JsonObject): string | undefined {
  const error = firstOf(body, 'error');
  const sentence = [
    ...valuesOf(body, 'message'),
    error,
    firstOf(objectOf(error), 'message', 'description', 'code'),
    ...valuesOf(body, 'detail'),
    ...valuesOf(body, 'info'),
  ].find((value) => typeof value === 'string' && value.trim() !== '');
  const details = detailsIn(body);
  const words = asText(sentence) ?? textInResult(body);
  if (words === undefined) return details ?? asText(firstOf(body, 'title'));
  return details === undefined || words.includes(details) ? words : `${words}: ${details}`;
}

/** The listed details: ASP.NET's `items`, and the errors of fields, numbers, parameters and receivers. */
function detailsIn(body: JsonObject): string | undefined {
  const receivers = asArray(firstOf(body, 'receivers')).filter(isObject);
  const faults = [...errorsIn({ errors: firstOf(body, 'items') }), ...errorsIn(body), ...receivers.flatMap(errorsIn)];
  const words = textOfErrors(faults);
  return words === '' || words === noReason ? undefined : words;
}

/** `result` may contain the text of an error. */
function textInResult(body: JsonObject): string | undefined {
  const words = asText(firstOf(body, 'result'));
  return words === undefined || flagOf(words) !== undefined || isId(words) ? undefined : words;
}
