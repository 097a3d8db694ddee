import { isObject, type JsonObject } from '../tolerant-reader.ts';
import { asText, firstOf, flagOf, fold, isId, objectOf, valuesOf } from './fields.ts';
import type { Refusal } from './known-refusals.ts';

/** An error in a response. `about` lists the numbers or ids that it concerns; if it is empty, the error concerns the whole call. */
export interface ReportedError {
  /** `undefined`: the response reports an error without words. */
  readonly words?: string;
  /** Numbers and ids that the error names. */
  readonly about: readonly string[];
  /** The refusal that follows from the name of the list that contains the error. */
  readonly refusal?: Refusal;
}

/** Used as the text of an error without words. */
export const noReason = 'no reason was given';

/** The most entries and the greatest depth that are read, because a response may be of any size. */
const faultsMax = 2_000;
const depthMax = 6;

/** Names of lists that were seen under `errors` or beside it, and the refusal that each means. */
const known: ReadonlyMap<string, { refusal: Refusal; words: string }> = new Map([
  ['invalidwhatsappnumbers', { refusal: 'recipient', words: 'not a WhatsApp number' }],
  ['invalidcustomparameters', { refusal: 'template-parameters', words: 'invalid parameters' }],
]);

/**
 * All errors of a response or of one of its receivers: `errors` as a list, as a map by number, field or kind, as a single
 * value, or nested in each other, and the lists that name numbers or parameters. Empty members are no errors.
 */
export function errorsIn(body: JsonObject): ReportedError[] {
  const faults: ReportedError[] = [];
  for (const errors of valuesOf(body, 'errors')) collect(errors, { faults, about: [], depth: 0 });
  for (const [name, meant] of known) {
    for (const value of valuesOf(body, name)) collectNamed(value, meant, faults);
  }
  return faults;
}

interface Place {
  readonly faults: ReportedError[];
  readonly about: readonly string[];
  readonly depth: number;
}

function collect(value: unknown, place: Place): void {
  const { faults, about, depth } = place;
  if (isNothing(value) || faults.length >= faultsMax) return;
  if (depth >= depthMax) {
    faults.push({ about });
  } else if (Array.isArray(value)) {
    for (const entry of value) collectEntry(entry, { ...place, depth: depth + 1 });
  } else if (isObject(value)) {
    if (isEntry(value)) faults.push(errorOf(value, about));
    else collectMap(value, { ...place, depth: depth + 1 });
  } else {
    const words = asText(value);
    faults.push({ about, ...(words !== undefined && { words }) });
  }
}

/** In a list every object is an error, even an empty one, unless it is a map of lists. */
function collectEntry(entry: unknown, place: Place): void {
  const isMap = isObject(entry) && !isEntry(entry) && hasLists(entry);
  if (isObject(entry) && !isMap) place.faults.push(errorOf(entry, place.about));
  else collect(entry, place);
}

function collectMap(map: JsonObject, place: Place): void {
  for (const [key, value] of Object.entries(map)) {
    const meant = known.get(fold(key));
    if (meant) collectNamed(value, meant, place.faults);
    else collect(value, namesSomebody(key) ? { ...place, about: [...place.about, bare(key)] } : place);
  }
}

/** A list of numbers, or of names of parameters. */
function collectNamed(value: unknown, meant: { refusal: Refusal; words: string }, faults: ReportedError[]): void {
  for (const entry of [value].flat(depthMax).slice(0, faultsMax)) {
    if (isNothing(entry)) continue;
    const named = asText(isObject(entry) ? firstOf(entry, ...names, 'name', 'paramName') : entry);
    const isRecipient = meant.refusal === 'recipient';
    faults.push({
      refusal: meant.refusal,
      words: named === undefined || isRecipient ? meant.words : `${meant.words}: ${named}`,
      about: named !== undefined && isRecipient ? [bare(named)] : [],
    });
  }
}

const names = ['waId', 'whatsappNumber', 'phone', 'phoneNumber', 'phone_number', 'to', 'localMessageId'] as const;
const said = ['description', 'message', 'detail', 'errorMessage', 'title', 'reason', 'error'] as const;

/** An object that describes one error, in contrast to a map of errors. */
const isEntry = (value: JsonObject): boolean =>
  !Object.keys(value).some((key) => known.has(fold(key))) &&
  [...said, 'code', 'errorCode', ...names].some((name) => valuesOf(value, name).some((inner) => asText(inner)));

const hasLists = (value: JsonObject): boolean =>
  Object.values(value).some((inner) => typeof inner === 'object' && inner !== null);

function errorOf(entry: JsonObject, about: readonly string[]): ReportedError {
  const words = asText(said.map((name) => asText(firstOf(entry, name))).find((text) => text !== undefined));
  const code = asText(firstOf(entry, 'code', 'errorCode'));
  const whole = [
    code !== undefined && !words?.includes(code) && /^\d{3,7}$/.test(code) ? `(#${code})` : '',
    words ?? '',
  ]
    .filter(Boolean)
    .join(' ');
  const named = names.map((name) => asText(firstOf(entry, name))).filter((name) => name !== undefined);
  return { about: [...about, ...named.map(bare)], ...(whole !== '' && { words: whole }) };
}

const isNothing = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === false ||
  value === 0 ||
  (typeof value === 'string' && value.trim() === '');

const bare = (name: string): string => name.replace(/^\+/, '');

export const namesSomebody = (key: string): boolean => /^\+?\d{5,20}$/.test(key) || isId(key);

/** The texts of the errors, without duplicates. */
export function textOfErrors(faults: readonly ReportedError[]): string {
  const words = new Set(faults.map((fault) => fault.words).filter((text) => text !== undefined));
  if (words.size > 0) return [...words].join('; ');
  return faults.length > 0 ? noReason : '';
}

/** The state of the message in a response. WATI may answer "success" with a record of the message that says it failed. */
export function failureOfMessage(body: JsonObject): string | undefined {
  const message = objectOf(firstOf(body, 'message'));
  const failed = [...valuesOf(message, 'statusString'), ...valuesOf(message, 'status')].some(
    (state) => typeof state === 'string' && /^(failed|undelivered|error)$/i.test(state.trim()),
  );
  if (!failed) return undefined;
  const code = asText(firstOf(message, 'failedCode'));
  const detail = asText(firstOf(message, 'failedDetail', 'failureReason'));
  return (
    [code === undefined ? '' : `(#${code})`, detail ?? ''].filter(Boolean).join(' ') ||
    'the message is marked as failed'
  );
}

/** The errors of the receivers that a response lists. */
export function errorsOfReceivers(body: JsonObject): ReportedError[] {
  return [firstOf(body, 'receivers')].flat().filter(isObject).flatMap(errorsOfReceiver);
}

export function errorsOfReceiver(entry: JsonObject): ReportedError[] {
  const faults = errorsIn(entry);
  const error = asText(firstOf(entry, 'error'));
  if (error !== undefined) faults.push({ about: [], words: error });
  if (valuesOf(entry, 'isValidWhatsAppNumber').some((value) => flagOf(value) === false)) {
    faults.unshift({ about: [], refusal: 'recipient', words: notOnWhatsApp });
  }
  return faults;
}

export const notOnWhatsApp = 'the number is not on WhatsApp';
