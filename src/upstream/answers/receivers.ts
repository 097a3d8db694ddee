import { isObject, type JsonObject } from '../tolerant-reader.ts';
import { asText, firstOf } from './fields.ts';
import { namesSomebody } from './reported-errors.ts';

/**
 * WhatsApp writes numbers of some countries in another form than the dialled one: Brazil without the ninth digit of a mobile,
 * Mexico with a 1 after 52, Argentina without the 9 after 54. Both forms of a number have the same canonical form.
 */
export function canonicalNumber(number: string): string {
  const digits = number.replace(/^\+/, '');
  const brazil = /^(55[1-9]\d)9(\d{8})$/.exec(digits);
  if (brazil) return `${brazil[1]}${brazil[2]}`;
  const mexico = /^521(\d{10})$/.exec(digits);
  if (mexico) return `52${mexico[1]}`;
  const argentina = /^549(\d{10})$/.exec(digits);
  return argentina ? `54${argentina[1]}` : digits;
}

/** All forms in which the number of one person may be written, the given one first. */
export function formsOf(number: string): string[] {
  const short = canonicalNumber(number);
  return [...new Set([number, short, longForm(short)])];
}

function longForm(short: string): string {
  const brazil = /^(55[1-9]\d)(\d{8})$/.exec(short);
  if (brazil) return `${brazil[1]}9${brazil[2]}`;
  const mexico = /^52(\d{10})$/.exec(short);
  if (mexico) return `521${mexico[1]}`;
  const argentina = /^54(\d{10})$/.exec(short);
  return argentina ? `549${argentina[1]}` : short;
}

/**
 * Assigns each entry of a response to a receiver: by our own id, then by the number as it is, then by its other form. A single
 * receiver and a single entry that are left belong together.
 */
export function matchReceivers(
  entries: readonly JsonObject[],
  receivers: readonly Receiver[],
): ReadonlyMap<Receiver, JsonObject> {
  const matched = new Map<Receiver, JsonObject>();
  const free = new Set(entries);
  const idOf = (entry: JsonObject) => asText(firstOf(entry, 'localMessageId'));
  const numberOf = (entry: JsonObject) =>
    asText(firstOf(entry, 'waId', 'whatsappNumber', 'phone', 'phoneNumber'))?.replace(/^\+/, '');
  const pass = (keyOf: (entry: JsonObject) => string | undefined, ours: (receiver: Receiver) => string) => {
    const byKey = new Map<string, JsonObject>();
    for (const entry of free) {
      const key = keyOf(entry);
      if (key !== undefined && !byKey.has(key)) byKey.set(key, entry);
    }
    for (const receiver of receivers) {
      const entry = matched.has(receiver) ? undefined : byKey.get(ours(receiver));
      if (!entry || !free.delete(entry)) continue;
      matched.set(receiver, entry);
    }
  };
  pass(idOf, ({ localMessageId }) => localMessageId);
  pass(numberOf, ({ phone }) => phone);
  pass(
    (entry) => {
      const number = numberOf(entry);
      return number === undefined ? undefined : canonicalNumber(number);
    },
    ({ phone }) => canonicalNumber(phone),
  );
  const unmatched = receivers.filter((receiver) => !matched.has(receiver));
  const [only, ...others] = unmatched;
  const [entry, ...more] = free;
  if (only && entry && others.length === 0 && more.length === 0) matched.set(only, entry);
  return matched;
}

/** The entries for receivers in a response: a list, a single one, or a map by number. */
export function entriesOf(receivers: unknown): JsonObject[] | undefined {
  if (Array.isArray(receivers)) return receivers.filter(isObject);
  if (!isObject(receivers)) return undefined;
  const byNumber = Object.entries(receivers).filter(([key]) => namesSomebody(key));
  if (byNumber.length === 0) return [receivers];
  return byNumber.map(([waId, entry]) => ({ waId, ...(isObject(entry) ? entry : { errors: entry }) }));
}

/** A receiver of a bulk call. */
export interface Receiver {
  phone: string;
  localMessageId: string;
}
