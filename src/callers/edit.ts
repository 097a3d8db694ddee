import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type CallerEntry, type KeyEntry, keysOf } from './entry.ts';
import { parseCallers } from './parse.ts';

/** Why a callers file stands as it was. */
export class EditRefused extends Error {
  override readonly name = 'EditRefused';
}

/** The entries with one more. Throws where its name is taken. */
export function withEntry(entries: readonly CallerEntry[], entry: CallerEntry): CallerEntry[] {
  if (find(entries, entry.name)) {
    throw new EditRefused(
      `${entry.name} is in it already: leave --scopes, --connections and --rate out to give it another key, or --revoke it first`,
    );
  }
  return [...entries, entry];
}

/** The same entries, one of which has one more key; who is a name or an id. */
export function withKey(entries: readonly CallerEntry[], who: string, key: KeyEntry): CallerEntry[] {
  const holder = holderOf(entries, who, 'a new caller needs --scopes, --connections and --rate');
  return entries.map((entry) => (entry === holder ? { ...entry, keys: [...(entry.keys ?? []), key] } : entry));
}

export function withoutCaller(entries: readonly CallerEntry[], who: string): CallerEntry[] {
  const holder = holderOf(entries, who, '--list shows who is');
  return entries.filter((entry) => entry !== holder);
}

/** Without one key of a caller, whose hash begins with `keyId`. Throws where it is the only one, or none, or several begin so. */
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

/** An empty list says no more than none. */
function withoutThe(entry: CallerEntry, isGone: (key: KeyEntry) => boolean): CallerEntry {
  const { keySha256 = [], keys = [], ...rest } = entry;
  const hashes = keySha256.filter((sha256) => !isGone({ sha256 }));
  const left = keys.filter((key) => !isGone(key));
  return { ...rest, ...(hashes.length > 0 && { keySha256: hashes }), ...(left.length > 0 && { keys: left }) };
}

/** Names and ids are one without case, as the rules of the file say: whoever revokes in a hurry need not know which it is. */
const find = (entries: readonly CallerEntry[], who: string): CallerEntry | undefined =>
  entries.find(({ name, id = name }) => [name.toLowerCase(), id.toLowerCase()].includes(who.toLowerCase()));

function holderOf(entries: readonly CallerEntry[], who: string, hint: string): CallerEntry {
  const found = find(entries, who);
  if (!found) throw new EditRefused(`${who} is not in it; ${hint}`);
  return found;
}

/**
 * Replaces a callers file as a whole, so that a service reads the old one or the new one and nothing in between; owner and
 * mode stay. The new file is checked as the service checks it. Throws, and leaves the file alone, where anything fails.
 * `create`: a file that is not there counts as an empty list.
 */
export function editCallersFile(
  path: string,
  change: (entries: readonly CallerEntry[]) => CallerEntry[],
  { create = false } = {},
): CallerEntry[] {
  const old = create ? statSync(path, { throwIfNoEntry: false }) : statSync(path);
  // A link stays one: what it points to is replaced.
  const target = old ? realpathSync(path) : path;
  const draft = join(dirname(target), `.${basename(target)}.new`);
  const file = claim(draft);
  try {
    const text = `${JSON.stringify(change(old ? parseCallers(readFileSync(target, 'utf8')) : []), null, 2)}\n`;
    const entries = parseCallers(text);
    writeFileSync(file, text);
    if (old) {
      const own = fstatSync(file);
      if (own.uid !== old.uid || own.gid !== old.gid) fchownSync(file, old.uid, old.gid);
      fchmodSync(file, old.mode & 0o7777);
    }
    fsyncSync(file);
    renameSync(draft, target);
    return entries;
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

/** One at a time: of two that read the same version, the later would bring back what the first took out. */
function claim(draft: string): number {
  try {
    return openSync(draft, 'wx', 0o600);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    throw new EditRefused(`another client-key changes it now; if none does, one was killed: remove ${draft}`);
  }
}
