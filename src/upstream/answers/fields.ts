import { isObject, type JsonObject } from '../tolerant-reader.ts';

/** All values of a name. Upper and lower case and `_` make no difference, because WATI and the servers in front of it differ in them. */
export function valuesOf(object: JsonObject, name: string): readonly unknown[] {
  let found: unknown[] | undefined;
  const wanted = fold(name);
  for (const key in object) {
    if (key !== name && (key.length < name.length || fold(key) !== wanted)) continue;
    if (found) found.push(object[key]);
    else found = [object[key]];
  }
  return found ?? none;
}

/** Shared, because most names that are looked for are absent. */
const none: readonly unknown[] = [];

/** Normalizes a name: `valid_whatsapp_number` and `validWhatsAppNumber` are the same. */
export function fold(name: string): string {
  let folded = foldedNames.get(name);
  if (folded !== undefined) return folded;
  folded = name.toLowerCase().replace(/[_-]/g, '');
  if (name.length > foldedLengthMax || !isWord.test(name)) return folded;
  if (foldedNames.size >= foldedMax) foldedNames.clear();
  foldedNames.set(name, folded);
  return folded;
}

/** Cache of folded names: answers have few different ones, and about twenty lookups are made in each answer to a send. */
const foldedNames = new Map<string, string>();
const foldedMax = 1_000;
/** Matches a name; does not match the number of a person. */
export const isWord = /^[a-z_]/i;
const foldedLengthMax = 64;

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
