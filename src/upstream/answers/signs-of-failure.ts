import { isObject, type JsonObject } from '../tolerant-reader.ts';
import { asText, fold, isWord } from './fields.ts';
import { isKnownRefusal } from './known-refusals.ts';

/** Fields that repeat the request, the contact or another message. They are not about this send. */
const echoes = /^(?:contacts?|parameter\w*|customparams|template\w*|model|reply\w*|quoted\w*|context|text|finaltext)$/;
const failures =
  /error|exception|fault|fail(?:ed|ure)|^fail$|invalid|unsent|notsent|undeliver|reject|refus|denied|unsuccess/;
const flags = /^(?:is|was)?(?:ok|result|success|successful|succeeded|sent|accepted|valid\w{0,24})$/;
const states = /^(?:\w{0,16}status(?:string|code)?|state|outcome|code|\w{0,16}code)$/;
const words = /^(?:message|info|details?|title|description|reason|warnings?)$/;

const failed =
  /^(?:fail(?:ed|ure)?|errors?|reject(?:ed)?|refused|undeliver(?:ed|able)|invalid|declined|denied|closed|expired|block(?:ed)?)$/i;
const nothing = /^(?:none|null|undefined|nil|n\/a|false|0|ok|success|\[\s*\]|\{\s*\}|)$/i;
const nodesMax = 2_000;

/** Fields that are evaluated per receiver, so they are not scanned again. */
export const listedErrors = ['errors', 'receivers', 'invalidwhatsappnumbers', 'invalidcustomparameters'];

/**
 * Whether a response that reports success also contains any sign of a refusal, at whatever depth: names such as `errorMessage`,
 * `failed` or `isSuccess`, states, codes. A sign does not prove a failure, but the success cannot be trusted. `passed` are
 * names that were evaluated already.
 */
export function looksFailed(body: JsonObject, passed: readonly string[] = []): boolean {
  const open: { value: unknown; key: string; isBad: boolean }[] = [];
  for (const key in body) if (!passed.includes(fold(key))) open.push({ value: body[key], key, isBad: false });
  for (let seen = 0; seen < nodesMax; seen += 1) {
    const next = open.pop();
    if (next === undefined) return false;
    const { value, key } = next;
    const meaning = meaningOf(key);
    if (!next.isBad && meaning === 'echo') continue;
    const isBad = next.isBad || meaning === 'failure';
    if (Array.isArray(value)) for (const inner of value) open.push({ value: inner, key, isBad });
    else if (isObject(value)) for (const name in value) open.push({ value: value[name], key: name, isBad });
    else if (isBad ? isSomething(value) : denies(meaning, value)) return true;
  }
  return false;
}

type Meaning = 'echo' | 'failure' | 'flag' | 'state' | 'words' | 'nothing';

/** Cache by name: answers have few different names, and about thirty members each. */
const meanings = new Map<string, Meaning>();
const meaningsMax = 1_000;
const nameLengthMax = 64;

function meaningOf(name: string): Meaning {
  const known = meanings.get(name);
  if (known !== undefined) return known;
  const key = fold(name);
  const meaning = patterns.find(([pattern]) => pattern.test(key))?.[1] ?? 'nothing';
  if (name.length > nameLengthMax || !isWord.test(name)) return meaning;
  if (meanings.size >= meaningsMax) meanings.clear();
  meanings.set(name, meaning);
  return meaning;
}

/** The first match decides. */
const patterns: readonly (readonly [RegExp, Meaning])[] = [
  [echoes, 'echo'],
  [failures, 'failure'],
  [flags, 'flag'],
  [states, 'state'],
  [words, 'words'],
];

const isSomething = (value: unknown): boolean =>
  value === true ||
  (typeof value === 'number' && value !== 0) ||
  (typeof value === 'string' && !nothing.test(value.trim()));

function denies(meaning: Meaning, value: unknown): boolean {
  if (meaning === 'flag')
    return value === false || value === 0 || /^(?:false|no|0)$/i.test(asText(value) ?? '') || isFailed(value);
  if (meaning === 'state') return isFailed(value) || isErrorCode(value);
  return meaning === 'words' && typeof value === 'string' && isKnownRefusal(value);
}

const isFailed = (value: unknown): boolean => typeof value === 'string' && failed.test(value.trim());

/** An HTTP status, or an error code of Meta's: six digits that begin with 13. */
const isErrorCode = (value: unknown): boolean => /^(?:[45]\d\d|13\d{4})$/.test(asText(value) ?? '');
