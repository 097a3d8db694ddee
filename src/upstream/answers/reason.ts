import { scrubbed } from '../foreign-words.ts';
import { isObject, type JsonObject, list } from '../lenient.ts';
import { faultsIn, wordsOfFaults } from './faults.ts';
import { firstOf, flagOf, isId, objectOf, valuesOf, wordsOf } from './fields.ts';

/** So much of a text that is no JSON can be a reason. */
const readMax = 1_000;

const noReason = 'no reason was given';

/**
 * Why the upstream refused, in its own words, made fit to be shown: the sentence that it says, and what it lists below it. A
 * title alone ("One or more validation errors occurred.") is shown where there is nothing else.
 */
export function reasonOf(body: unknown, text: string): string {
  const reason = isObject(body) ? reasonIn(body) : undefined;
  if (reason !== undefined) return scrubbed(reason);
  const listed = Array.isArray(body) ? wordsOfFaults(faultsIn({ errors: body })) : '';
  if (listed !== '') return scrubbed(listed);
  const start = text.slice(0, readMax).trim();
  if (start.startsWith('<')) return 'the upstream returned HTML';
  return body === undefined && start !== '' ? scrubbed(start) : noReason;
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
  const words = wordsOf(sentence) ?? textInResult(body);
  if (words === undefined) return details ?? wordsOf(firstOf(body, 'title'));
  return details === undefined || words.includes(details) ? words : `${words}: ${details}`;
}

/** What is listed: ASP.NET's `items`, the errors of fields, numbers, parameters and receivers. */
function detailsIn(body: JsonObject): string | undefined {
  const receivers = list(firstOf(body, 'receivers')).filter(isObject);
  const faults = [...faultsIn({ errors: firstOf(body, 'items') }), ...faultsIn(body), ...receivers.flatMap(faultsIn)];
  const words = wordsOfFaults(faults);
  return words === '' || words === noReason ? undefined : words;
}

/** `result` itself may hold the text of an error. */
function textInResult(body: JsonObject): string | undefined {
  const words = wordsOf(firstOf(body, 'result'));
  return words === undefined || flagOf(words) !== undefined || isId(words) ? undefined : words;
}
