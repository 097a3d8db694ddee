import { editListFile } from '../callers/list-file.ts';
import { EditRefused } from '../lib/replace-file.ts';
import { parseTokens, type TokenEntry } from './token-entry.ts';

/** The first characters of a token's hash, as commands name it: enough to distinguish the tokens of a file, too few to guess one. */
export const tokenIdOf = (sha256: string): string => sha256.slice(0, 8);

/** Adds a token to the entry of this name, or to a new entry. Throws if the entry has another connection. */
export function withToken(entries: readonly TokenEntry[], { name, connectionId, sha256 }: NewToken): TokenEntry[] {
  const holder = find(entries, name);
  if (holder === undefined) return [...entries, { name, tokenSha256: [sha256], connectionId }];
  if (holder.connectionId !== connectionId) {
    throw new EditRefused(`${holder.name} is of the connection ${holder.connectionId}: choose another --name`);
  }
  return entries.map((entry) => (entry === holder ? { ...entry, tokenSha256: [...entry.tokenSha256, sha256] } : entry));
}

interface NewToken {
  name: string;
  connectionId: string;
  sha256: string;
}

export function withoutEntry(entries: readonly TokenEntry[], name: string): TokenEntry[] {
  const holder = holderOf(entries, name);
  return entries.filter((entry) => entry !== holder);
}

/** Removes the token of an entry whose hash begins with `tokenId`. Throws if it is the only one, or if none or several match. */
export function withoutToken(entries: readonly TokenEntry[], name: string, tokenId: string): TokenEntry[] {
  const holder = holderOf(entries, name);
  const left = holder.tokenSha256.filter((sha256) => !sha256.startsWith(tokenId.toLowerCase()));
  const gone = holder.tokenSha256.length - left.length;
  if (gone === 0) throw new EditRefused(`${holder.name} has no token ${tokenId}; --list shows those it has`);
  if (gone > 1) throw new EditRefused(`${holder.name} has ${gone} tokens that begin so: give more digits`);
  if (left.length === 0) {
    throw new EditRefused(`it is the only token of ${holder.name}: leave --token out, or --add another one first`);
  }
  return entries.map((entry) => (entry === holder ? { ...entry, tokenSha256: left } : entry));
}

const find = (entries: readonly TokenEntry[], name: string): TokenEntry | undefined =>
  entries.find((entry) => entry.name.toLowerCase() === name.toLowerCase());

function holderOf(entries: readonly TokenEntry[], name: string): TokenEntry {
  const found = find(entries, name);
  if (!found) throw new EditRefused(`${name} is not in it; --list shows who is`);
  return found;
}

/** Replaces the tokens file as a whole, after the checks of the service. With `create`, a missing file is created. */
export function editTokensFile(
  path: string,
  change: (entries: readonly TokenEntry[]) => TokenEntry[],
  { create = false } = {},
): TokenEntry[] {
  return editListFile({ path, parse: parseTokens, create, program: 'intake-token' }, change);
}
