import { isObject, type JsonObject } from '../tolerant-reader.ts';

/** All values of a name. Upper and lower case and `_` make no difference, because WATI and the servers in front of it differ in them. */
export function valuesOf(object: JsonObject, name: string): unknown[] {
  const found: unknown[] = [];
  for (const key in object) {
    // Before names are normalized, because an answer to a send is asked for some twenty names.
    if (key === name) found.push(object[key]);
    else if (key.length < name.length || (key.length !== name.length && !separated.test(key))) continue;
    else if (fold(key) === fold(name)) found.push(object[key]);
  }
  return found;
}

const separated = /[_-]/;
/** Normalizes a name: `valid_whatsapp_number` and `validWhatsAppNumber` are the same. */
export function fold(name: string): string {
  const lower = name.toLowerCase();
  return separated.test(lower) ? lower.replace(/[_-]/g, '') : lower;
}

/** The first value that is present. */
export function firstOf(object: JsonObject, ...names: readonly string[]): unknown {
  for (const name of names) {
    const value = valuesOf(object, name).find((each) => each !== undefined && each !== null);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** A flag, as a boolean or a word; `undefined` for anything else. */
export function flagOf(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'string') return undefined;
  const word = value.trim().toLowerCase();
  if (word === 'true' || word === 'success') return true;
  return negatives.has(word) ? false : undefined;
}

const negatives = new Set(['false', 'fail', 'failed', 'failure', 'error']);

/** A string that is not empty, or a number as a string. */
export function asText(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}

/** The value if it is an object, else an empty object. */
export const objectOf = (value: unknown): JsonObject => (isObject(value) ? value : {});

const ids = [
  /^[0-9a-f]{24}$/i,
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  /^wamid\.\S{4,200}$/,
];

/** An id of a message or contact: 24 hexadecimal digits, a UUID or WhatsApp's own form. It is never part of a reason. */
export const isId = (words: string): boolean => words.length <= 256 && ids.some((id) => id.test(words));
