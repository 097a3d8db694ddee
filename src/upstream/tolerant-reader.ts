/**
 * Reads answers of WATI and Maton. Their shapes vary by tenant and year (docs/reference/upstream.md), so every reader takes
 * `unknown` and returns `undefined` for what is absent or has another type. No reader throws.
 */

export type JsonObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A string that is not empty. Numbers are converted, because ids and codes come as either. */
export function asString(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
}

export const asBoolean = (value: unknown): boolean | undefined => (typeof value === 'boolean' ? value : undefined);

export const asNumber = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

export const asArray = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Parses JSON whatever the content type: WATI may label it text/plain. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `[{name, value}]`, or the form of reads `[{paramName, paramValue}]`, as a map. */
export function params(value: unknown): Record<string, string> {
  const found: Record<string, string> = {};
  const pairs = paramPairs(value);
  for (let at = 0; at < pairs.length; at += 2) found[pairs[at] ?? ''] = pairs[at + 1] ?? '';
  return found;
}

/** The same as a flat list: name, value, name, value. */
export function paramPairs(value: unknown): string[] {
  const found: string[] = [];
  for (const entry of asArray(value)) {
    if (!isObject(entry)) continue;
    const name = asString(entry.name) ?? asString(entry.paramName);
    const value = entry.value ?? entry.paramValue;
    // `__proto__` is the only name that is no ordinary property. Object.fromEntries would take any name, at three times the
    // cost.
    if (name === undefined || name === '__proto__') continue;
    found.push(name, typeof value === 'string' ? value : textOf(value));
  }
  return found;
}

/** A value as text: true and 5 as they read, lists and objects as JSON. */
function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/**
 * ISO 8601 as this service writes it, with a day that every month has: returned as it is, because a page of contacts has a
 * hundred dates.
 */
const settled = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;

/**
 * Converts the three date forms of WATI to ISO 8601 UTC: `May-14-2024`, ISO with or without a zone (without means UTC), unix
 * seconds as a string or number. Anything else: undefined.
 */
export function isoDate(value: unknown): string | undefined {
  const text = asString(value);
  if (text === undefined || settled.test(text)) return text;
  if (text.length > 64) return undefined;
  if (text.length < 12 && text[3] === '-') return days.get(text) ?? fromWords(text);
  if (/^\d{9,11}$/.test(text)) return toIso(Number(text) * 1000);
  if (/^\d{12,14}$/.test(text)) return toIso(Number(text));
  const [, day, time] = /^(\d{4}-\d{2}-\d{2})(?:[T ](.+))?$/i.exec(text) ?? [];
  if (day === undefined || time === undefined) return toIso(Date.parse(day ?? ''));
  // Date.parse would read a date without a zone as local time, also with a space instead of the T.
  const zoned = /(Z|[+-]\d{2}:?\d{2})$/i.test(time) ? time.replaceAll(' ', '') : `${time}Z`;
  return toIso(Date.parse(`${day}T${zoned}`));
}

/** Caches the days of a page: a page of contacts has few different days, each many times. */
const days = new Map<string, string>();
const daysMax = 1_000;

function fromWords(text: string): string | undefined {
  const [, word = '', day, year] = /^([A-Za-z]{3})-(\d{1,2})-(\d{4})$/.exec(text) ?? [];
  const month = months.indexOf(word.toLowerCase());
  if (month < 0) return undefined;
  const iso = toIso(Date.UTC(Number(year), month, Number(day)));
  if (days.size >= daysMax) days.clear();
  if (iso !== undefined) days.set(text, iso);
  return iso;
}

const toIso = (ms: number): string | undefined =>
  Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString() : undefined;

/** Normalizes the name of a field: the newer API writes `url_original` for `urlOriginal`. */
export const plain = (key: string): string => key.replaceAll('_', '').toLowerCase();

/** The value of a field, in either spelling of its name. */
export function fieldOf(of: JsonObject, name: string): unknown {
  if (Object.hasOwn(of, name)) return of[name];
  const wanted = plain(name);
  return Object.entries(of).find(([key]) => plain(key) === wanted)?.[1];
}
