import { isObject, type JsonObject } from '../tolerant-reader.ts';

/** WATI and what stands in front of it differ in the case of names, and in `_`: all values of a name, however it is written. */
export function valuesOf(object: JsonObject, name: string): unknown[] {
  const found: unknown[] = [];
  for (const key in object) {
    if (key.length < name.length || (key.length !== name.length && !separated.test(key))) continue;
    if (key === name || fold(key) === fold(name)) found.push(object[key]);
  }
  return found;
}

const separated = /[_-]/;
/** A name without what the two APIs write differently: `valid_whatsapp_number` is `validWhatsAppNumber`. */
export const fold = (name: string): string => name.toLowerCase().replace(/[_-]/g, '');

/** The first value of a name that is there at all. */
export const firstOf = (object: JsonObject, ...names: readonly string[]): unknown =>
  names.flatMap((name) => valuesOf(object, name)).find((value) => value !== undefined && value !== null);

/** A flag, as a boolean or spelt out; `undefined` for anything else. */
export function flagOf(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'string') return undefined;
  const word = value.trim().toLowerCase();
  if (word === 'true' || word === 'success') return true;
  return negatives.has(word) ? false : undefined;
}

const negatives = new Set(['false', 'fail', 'failed', 'failure', 'error']);

/** A string with something in it, or a number as one. */
export function asText(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}

/** An object, or none where something else stands. */
export const objectOf = (value: unknown): JsonObject => (isObject(value) ? value : {});

const ids = [
  /^[0-9a-f]{24}$/i,
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  /^wamid\.\S{4,200}$/,
];

/** 24 hexadecimal digits, a UUID or WhatsApp's own form: what a message or contact is called, never an excuse. */
export const isId = (words: string): boolean => words.length <= 256 && ids.some((id) => id.test(words));
