import { hash } from 'node:crypto';
import { Ajv, type ErrorObject } from 'ajv';
import type { Static } from 'typebox';
import { assertList, ListFileFault, parseJsonFile } from '../callers/list-file.ts';
import { isSecret, whoIs } from '../callers/words.ts';
import { lazy } from '../lib/memoize.ts';
import { Type } from '../lib/type.ts';
import { faultInWords } from '../schemas/schema-errors.ts';

const Sha256 = Type.String({
  pattern: '^[0-9a-f]{64}$',
  'x-form': 'the SHA-256 of a token, 64 hexadecimal digits in small letters, and never the token itself',
});

/** An entry of INTAKE_TOKENS_FILE: a sender of webhooks and its connection. While a token is being replaced it has several hashes. */
export const TokenEntry = Type.Object(
  {
    name: Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
      'x-form': 'up to 64 letters, digits, . _ - and first a letter or digit',
    }),
    tokenSha256: Type.Array(Sha256, { minItems: 1, maxItems: 10 }),
    connectionId: Type.String({ pattern: '^[!-~]{1,512}$', 'x-form': 'the id of a connection' }),
  },
  { additionalProperties: false },
);
export type TokenEntry = Static<typeof TokenEntry>;

const validator = lazy(() =>
  new Ajv({ allErrors: true, verbose: true, meta: false, validateSchema: false })
    .addKeyword({ keyword: 'x-form', schemaType: 'string' })
    .compile<TokenEntry[]>(Type.Array(TokenEntry, { maxItems: 1_000 })),
);

/** Parses a tokens file. Throws a ListFileFault that lists all faults. */
export function parseTokens(text: string): TokenEntry[] {
  const entries = parseJsonFile(text);
  assertList(entries);
  const isTokens = validator();
  if (!isTokens(entries)) {
    throw new ListFileFault([...new Set((isTokens.errors ?? []).map((fault) => inWords(fault, entries)))]);
  }
  const faults = [...secrets(entries), ...twice(entries)];
  if (faults.length > 0) throw new ListFileFault(faults);
  return entries;
}

function inWords(fault: ErrorObject, entries: readonly unknown[]): string {
  const [, at, property, place] = fault.instancePath.split('/');
  if (at === undefined) return faultInWords(fault);
  const who = whoIs(entries, Number(at));
  if (property !== undefined) {
    const which = place === undefined ? '' : ` ${Number(place) + 1}`;
    return `${who}: "${property}"${which} ${faultInWords(fault)}`;
  }
  if (fault.keyword === 'required') return `${who}: "${fault.params.missingProperty}" ${faultInWords(fault)}`;
  // An unknown property may be a token in the wrong place, so its name is not shown.
  if (fault.keyword === 'additionalProperties') return `${who}: a property ${faultInWords(fault)}`;
  return `${who}: an entry must be an object {...}`;
}

/** The hash of an empty token, which is a mistake in the file. */
const hashOfNothing = hash('sha256', '');

function secrets(entries: readonly TokenEntry[]): string[] {
  return entries.flatMap(({ name, tokenSha256 }, at) => [
    ...(isSecret(name) ? [`entry ${at + 1}: its name looks like a key or a hash`] : []),
    ...(tokenSha256.includes(hashOfNothing)
      ? [`${whoIs(entries, at)}: one of its hashes is that of an empty text`]
      : []),
  ]);
}

/** Two entries must not have the same name (without case) or the same token. */
function twice(entries: readonly TokenEntry[]): string[] {
  const faults: string[] = [];
  const names = new Set<string>();
  const hashes = new Map<string, string>();
  for (const [at, { name, tokenSha256 }] of entries.entries()) {
    const who = whoIs(entries, at);
    if (names.has(name.toLowerCase())) faults.push(`${who}: another entry has this name; upper and lower case are one`);
    names.add(name.toLowerCase());
    for (const sha256 of tokenSha256) {
      const holder = hashes.get(sha256);
      if (holder !== undefined) {
        faults.push(
          holder === who ? `${who}: it has the same token twice` : `${who}: it has the same token as ${holder}`,
        );
      }
      hashes.set(sha256, who);
    }
  }
  return faults;
}
