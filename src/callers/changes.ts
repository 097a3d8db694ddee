import { type CallerEntry, keyIdOf, keysOf } from './entry.ts';

/** A change of one caller: its names, scopes, connections and key ids, and the names of its other properties that changed. */
export interface CallerChange {
  readonly caller: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly scopes?: Difference;
  readonly connections?: Difference;
  readonly keys?: Difference;
  /** Other properties that changed. */
  readonly properties?: readonly string[];
}

export interface Difference {
  readonly added?: readonly string[];
  readonly removed?: readonly string[];
}

const idOf = ({ id, name }: CallerEntry): string => id ?? name;

/** Compares entries by id, so that a renamed caller is one change instead of a removal and an addition. Empty: no difference matters. */
export function changesOf(before: readonly CallerEntry[], after: readonly CallerEntry[]): CallerChange[] {
  const old = new Map(before.map((entry) => [idOf(entry), entry]));
  const now = new Map(after.map((entry) => [idOf(entry), entry]));
  const ids = new Set([...old.keys(), ...now.keys()]);
  return [...ids].flatMap((id) => changeOf(old.get(id), now.get(id)) ?? []);
}

function changeOf(before: CallerEntry | undefined, after: CallerEntry | undefined): CallerChange | undefined {
  const caller = after?.name ?? before?.name ?? '';
  const lists = {
    ...difference('scopes', before?.scopes, after?.scopes),
    ...difference('connections', before?.connections, after?.connections),
    ...difference('keys', keyIds(before), keyIds(after)),
  };
  const properties = before && after ? changedProperties(before, after) : [];
  if (before && after && Object.keys(lists).length === 0 && properties.length === 0) return undefined;
  return {
    caller,
    change: !before ? 'added' : !after ? 'removed' : 'changed',
    ...lists,
    ...(properties.length > 0 && { properties }),
  };
}

const keyIds = (entry: CallerEntry | undefined): string[] =>
  entry === undefined ? [] : keysOf(entry).map(({ sha256 }) => keyIdOf(sha256));

function difference(
  name: 'scopes' | 'connections' | 'keys',
  before: readonly string[] = [],
  after: readonly string[] = [],
) {
  const added = after.filter((each) => !before.includes(each));
  const removed = before.filter((each) => !after.includes(each));
  if (added.length === 0 && removed.length === 0) return {};
  return { [name]: { ...(added.length > 0 && { added }), ...(removed.length > 0 && { removed }) } };
}

function changedProperties(before: CallerEntry, after: CallerEntry): string[] {
  const rest = ({ scopes: _, connections: _c, keys, keySha256, ...entry }: CallerEntry) => ({
    ...entry,
    // A changed label or last day is a change too, even if the keys are the same.
    keys: keysOf({ ...(keys && { keys }), ...(keySha256 && { keySha256 }) })
      .map(({ sha256, ...about }) => [sha256, about.notAfter, about.label])
      .toSorted(),
  });
  const [old, now] = [new Map(Object.entries(rest(before))), new Map(Object.entries(rest(after)))];
  const same = keyIds(before).toSorted().join() === keyIds(after).toSorted().join();
  return [...new Set([...old.keys(), ...now.keys()])].filter(
    (name) => JSON.stringify(old.get(name)) !== JSON.stringify(now.get(name)) && (name !== 'keys' || same),
  );
}
