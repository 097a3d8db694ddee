import { EditRefused } from '../lib/replace-file.ts';
import { type CallerEntry, type KeyEntry, keysOf } from './entry.ts';
import { editListFile } from './list-file.ts';
import { parseCallers } from './parse.ts';

/** Adds an entry. Throws if its name is taken. */
export function withEntry(entries: readonly CallerEntry[], entry: CallerEntry): CallerEntry[] {
  if (find(entries, entry.name)) {
    throw new EditRefused(
      `${entry.name} is in it already: leave --scopes, --connections and --rate out to give it another key, or --revoke it first`,
    );
  }
  return [...entries, entry];
}

/** Adds a key to the entry with this name or id. */
export function withKey(entries: readonly CallerEntry[], who: string, key: KeyEntry): CallerEntry[] {
  const holder = holderOf(entries, who, 'a new caller needs --scopes, --connections and --rate');
  return entries.map((entry) => (entry === holder ? { ...entry, keys: [...(entry.keys ?? []), key] } : entry));
}

export function withoutCaller(entries: readonly CallerEntry[], who: string): CallerEntry[] {
  const holder = holderOf(entries, who, '--list shows who is');
  return entries.filter((entry) => entry !== holder);
}

/** Removes the key of a caller whose hash begins with `keyId`. Throws if it is the only key, or if none or several match. */
export function withoutKey(entries: readonly CallerEntry[], who: string, keyId: string): CallerEntry[] {
  const holder = holderOf(entries, who, '--list shows who is');
  const begins = ({ sha256 }: KeyEntry) => sha256.startsWith(keyId.toLowerCase());
  const all = keysOf(holder);
  const gone = all.filter(begins);
  if (gone.length === 0) throw new EditRefused(`${holder.name} has no key ${keyId}; --list shows those it has`);
  if (gone.length > 1) throw new EditRefused(`${holder.name} has ${gone.length} keys that begin so: give more digits`);
  if (all.length === 1) {
    throw new EditRefused(
      `it is the only key of ${holder.name}: leave --key out to revoke the caller, or --add another key first`,
    );
  }
  return entries.map((entry) => (entry === holder ? withoutThe(entry, begins) : entry));
}

/** An empty list allows the same as an absent one, so it is left out. */
function withoutThe(entry: CallerEntry, isGone: (key: KeyEntry) => boolean): CallerEntry {
  const { keySha256 = [], keys = [], ...rest } = entry;
  const hashes = keySha256.filter((sha256) => !isGone({ sha256 }));
  const left = keys.filter((key) => !isGone(key));
  return { ...rest, ...(hashes.length > 0 && { keySha256: hashes }), ...(left.length > 0 && { keys: left }) };
}

/** Names and ids share one namespace without case, so revoking works with either. */
const find = (entries: readonly CallerEntry[], who: string): CallerEntry | undefined =>
  entries.find(({ name, id = name }) => [name.toLowerCase(), id.toLowerCase()].includes(who.toLowerCase()));

function holderOf(entries: readonly CallerEntry[], who: string, hint: string): CallerEntry {
  const found = find(entries, who);
  if (!found) throw new EditRefused(`${who} is not in it; ${hint}`);
  return found;
}

/**
 * Replaces the whole callers file, checked as the service checks it. Throws and leaves the file unchanged on any failure.
 * `create`: a missing file counts as an empty list.
 */
export function editCallersFile(
  path: string,
  change: (entries: readonly CallerEntry[]) => CallerEntry[],
  { create = false } = {},
): CallerEntry[] {
  return editListFile({ path, parse: parseCallers, create, program: 'client-key' }, change);
}
