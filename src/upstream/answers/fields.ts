import { isObject, type JsonObject } from '../tolerant-reader.ts';

/** WATI and what stands in front of it differ in the case of names: all values of a name, whatever its case. */
export function valuesOf(object: JsonObject, name: string): unknown[] {
  const found: unknown[] = [];
  for (const key in object) {
    if (key.length !== name.length) continue;
    if (key === name || key.toLowerCase() === name.toLowerCase()) found.push(object[key]);
  }
  return found;
}

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
