import type { ErrorObject } from 'ajv';
import { eventGroups, eventTypes, typesNamed } from '../events/event-types.ts';
import { didYouMean, nearest } from '../lib/did-you-mean.ts';
import { CallerEntry, KeyEntry, scopes } from './entry.ts';

const nameWords = 'up to 64 letters, digits, . _ - and first a letter or digit';
const recipientWords =
  'must be a whole number such as 14155550100, a beginning such as 1415555*, a contact id or a BSUID';

/** What each property means, shown where it is missing or of the wrong type. */
const meant: Record<string, string> = {
  id: 'text',
  name: 'text',
  keySha256: 'a list of SHA-256 hashes',
  keys: 'a list of {"sha256": ...}',
  sha256: 'the SHA-256 of the key in hex',
  notAfter: 'text: a time',
  label: 'text of up to 100 characters',
  scopes: 'a list of scopes, or ["*"] for all',
  connections: 'a list of connection ids, or ["*"] for all',
  countries: 'a list of country codes',
  recipients: 'a list of numbers, or their beginnings with a * at the end',
  templates: 'a list of names of templates',
  addresses: 'a list of addresses or ranges',
  events: 'a list of types of events such as message.delivered, of groups such as message.*, or ["*"] for all',
  inbound: '"own" (answers to its own messages), "unrouted" (also those to nobody) or "all"',
  messagesPerHour: 'a whole number above 0',
  messagesPerDay: 'a whole number above 0',
  ratePerSecond: 'a number above 0, at most 100000',
  weight: 'a number above 0, at most 100',
};

/** Names an entry in an error message: by its name if that may be shown, else by its position in the list. */
export function whoIs(entries: readonly unknown[], at: number): string {
  const entry = entries[at];
  const name = typeof entry === 'object' && entry !== null && 'name' in entry ? entry.name : undefined;
  return typeof name === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) && !isSecret(name)
    ? name
    : `entry ${at + 1}`;
}

/** A schema error as `entry: the fault`. Shows a value only if it cannot be a secret. */
export function faultInWords(fault: ErrorObject, entries: readonly unknown[]): string {
  const [, first, ...path] = fault.instancePath.split('/');
  if (first === undefined) return 'it must be a list [...] of entries {...}';
  return `${whoIs(entries, Number(first))}: ${whatIsWrong(fault, path)}`;
}

function whatIsWrong({ keyword, params, data }: ErrorObject, path: readonly string[]): string {
  const names = path.filter((part) => !/^\d+$/.test(part));
  const property = names.at(-1);
  if (keyword === 'additionalProperties') {
    const known = Object.keys((property === 'keys' ? KeyEntry : CallerEntry).properties);
    return unknownProperty(String(params.additionalProperty), known);
  }
  if (keyword === 'required') {
    const missing = String(params.missingProperty);
    return `"${missing}" is missing: ${meant[missing] ?? 'it has to be there'}`;
  }
  if (property === undefined) return 'an entry must be an object {...}';
  const at = path.length > 1 && /^\d+$/.test(path[1] ?? '') ? ` ${Number(path[1]) + 1}` : '';
  return wrongValue(property, { keyword, data }, at) ?? `"${property}" must be ${meant[property] ?? 'something else'}`;
}

/** Explains a faulty list, or a value with rules of its own. */
function wrongValue(
  property: string,
  { keyword, data }: Pick<ErrorObject, 'keyword' | 'data'>,
  at: string,
): string | undefined {
  if (property === 'scopes' && at !== '') return unknownScope(data, at);
  const isHash = property === 'sha256' || (property === 'keySha256' && at !== '');
  if (isHash && typeof data === 'string') return hashFault(data);
  if (keyword === 'pattern' || keyword === 'minLength' || keyword === 'maxLength') {
    if (property === 'name' || property === 'id') return `"${property}" must be ${nameWords}`;
    if (property === 'recipients') return `recipient${at} ${recipientWords}`;
    if (property === 'countries') return `country${at} must be two capital letters such as US`;
  }
  if (keyword === 'maxItems') return `"${property}" has too many entries`;
  return undefined;
}

function unknownProperty(property: string, known: readonly string[]): string {
  if (!/^[A-Za-z0-9 _-]{1,40}$/.test(property) || isSecret(property)) return 'it has a property that is not known';
  return `"${property}" is not known${didYouMean(property, known)}`;
}

function unknownScope(data: unknown, at: string): string {
  const shown = typeof data === 'string' && /^[A-Za-z:.*_-]{1,40}$/.test(data);
  return shown ? `scope "${data}" is not known${nearScope(data)}` : `scope${at} is not known`;
}

function nearScope(word: string): string {
  const near = didYouMean(word, scopes);
  if (near !== '') return near;
  const same = scopes.filter((scope) => scope.split(':')[0] === word.split(':')[0]);
  return same.length > 0 ? `; there is ${same.join(', ')}` : '';
}

/** What is wrong with a name of an event or of a group of them. */
export function eventFault(pattern: string): string | undefined {
  if (typesNamed(pattern).length > 0) return undefined;
  if (!/^[\w.*:-]{1,40}$/.test(pattern) || isSecret(pattern)) return 'is not known';
  return `"${pattern}" is not known${nearEvents(pattern)}`;
}

/** `; did you mean x?`, or which there are. */
export const nearEvents = (pattern: string): string =>
  didYouMean(pattern, [...eventTypes, ...eventGroups, '*']) || sameGroup(pattern);

/** `message`, `message.` and `messages.delivered` mean something of the group. */
function sameGroup(pattern: string): string {
  const [noun = ''] = pattern.toLowerCase().split(/[.:*]/);
  const group = nearest(`${noun}.*`, eventGroups);
  if (group === undefined) return `; there is ${eventGroups.join(', ')} and *`;
  return `; there is ${[group, ...typesNamed(group)].join(', ')}`;
}

/** Guesses from the form of a value what was written instead of a SHA-256. */
function hashFault(value: string): string {
  if (/^[0-9a-fA-F]{64}$/.test(value)) return 'a hash must be in small letters';
  if (/^[0-9a-fA-F]+$/.test(value)) return `a SHA-256 has 64 hexadecimal digits, and one here has ${value.length}`;
  if (/^sha-?256[:=]/i.test(value)) return 'a hash stands alone, without "sha256" before it';
  return 'a key stands in the place of its hash: this file holds the SHA-256 of keys alone. Whoever read the file has the key now; make another with `npm run client-key`';
}

/** Forms of keys that `npm run client-key` makes, and of hashes. */
export const isSecret = (text: string): boolean => text.startsWith('wbff_') || /^[0-9a-f]{40,}$/i.test(text);
