import { hash, timingSafeEqual } from 'node:crypto';
import { type CallerEntry, keyIdOf, keysOf, lastMsOf, type Scope } from './callers/entry.ts';
import { checkEntries } from './callers/parse.ts';
import { type EventType, typesOf } from './events/event-types.ts';

/** Another internal service that calls this one, known by name, with one or more keys. */
export type Caller = Omit<CallerEntry, 'keySha256' | 'keys' | 'id'> & {
  /** The permanent id under which its records are stored; the name, if the entry has no id. */
  readonly id: string;
};

/** A caller, and its keys by their public ids (`keyIdOf`). */
export interface ListedCaller {
  readonly caller: Caller;
  readonly keyIds: readonly string[];
}
/** A caller together with the key that a request used. */
export type KeyHolder = Caller & {
  /** The first eight hexadecimal digits of the key's SHA-256. */
  readonly keyId: string;
};

/** Finds callers by key. Tests use a fixed list; the server follows its file. */
export interface Callers {
  /** The caller with this key, unless the key has expired. Takes the same time for every key, valid or not. */
  find(key: string): KeyHolder | undefined;
  /** Whether a caller had this key until it expired. */
  hasExpired?(key: string): boolean;
  /** The caller with this id in the current version of the file; undefined: it was removed. For work that is done later on its behalf. */
  byId(id: string): Caller | undefined;
  /** Every entry in the current version of the file, in its order. */
  list(): readonly ListedCaller[];
  /**
   * Whether the file was valid when it was last read, and since when (ms since 1970) its current version is in force, with how
   * many entries.
   */
  file?(): { valid: boolean; sinceMs: number; callers: number };
  close(): void;
}

// Code that needs the scopes usually needs the functions of this file as well.
export { type Scope, scopes } from './callers/entry.ts';

export const mayUse = (caller: Pick<Caller, 'connections'>, connection: string): boolean =>
  caller.connections.includes('*') || caller.connections.includes(connection);

export const hasScope = (caller: Pick<Caller, 'scopes'>, scope: Scope): boolean =>
  caller.scopes.includes('*') || caller.scopes.includes(scope);

/**
 * The types of events that are recorded for a caller; none: its entry names no events. One that names any also gets those
 * of its own webhook endpoints.
 */
export const eventsFor = ({ events = [] }: Pick<Caller, 'events'>): readonly EventType[] =>
  events.length === 0 ? [] : typesOf([...events, 'webhook_endpoint.*']);

/** The entries of one version of the file, indexed for lookups. */
export interface CallerIndex {
  readonly keys: readonly { digest: Buffer; holder: KeyHolder; lastMs: number }[];
  readonly byId: ReadonlyMap<string, Caller>;
  readonly listed: readonly ListedCaller[];
}

export function indexCallers(entries: readonly CallerEntry[]): CallerIndex {
  const byId = new Map<string, Caller>();
  const listed: ListedCaller[] = [];
  const keys = entries.flatMap(({ keySha256, keys, id, ...entry }) => {
    const caller: Caller = { ...entry, id: id ?? entry.name };
    byId.set(caller.id, caller);
    const own = keysOf({ ...(keySha256 && { keySha256 }), ...(keys && { keys }) });
    listed.push({ caller, keyIds: own.map(({ sha256 }) => keyIdOf(sha256)) });
    return own.map(({ sha256, notAfter }) => ({
      digest: Buffer.from(sha256, 'hex'),
      holder: { ...caller, keyId: keyIdOf(sha256) },
      lastMs: notAfter === undefined ? Number.POSITIVE_INFINITY : lastMsOf(notAfter),
    }));
  });
  return { keys, byId, listed };
}

export function findHolder({ keys }: CallerIndex, key: string, nowMs: number): KeyHolder | undefined {
  const digest = hash('sha256', key, 'buffer');
  let found: KeyHolder | undefined;
  // Compares every entry, so that the duration does not show which one matched, or whether it has expired.
  for (const entry of keys) if (timingSafeEqual(entry.digest, digest) && nowMs <= entry.lastMs) found = entry.holder;
  return found;
}

/** Whether it is a key of any caller, expired or not. */
export const heldBefore = (index: CallerIndex, key: string): boolean =>
  findHolder(index, key, Number.NEGATIVE_INFINITY) !== undefined;

/** Builds the entry of a caller with this key. Throws if a name, scope or rate breaks the rules of the file. */
export function callerEntry(
  name: string,
  key: string,
  rest: { scopes: readonly string[]; [property: string]: unknown },
): CallerEntry {
  const entry = { name, keys: [{ sha256: hash('sha256', key) }], connections: ['*'], ...rest };
  const [checked] = checkEntries([entry]);
  if (!checked) throw new Error('no entry');
  return checked;
}

export function fixedCallers(entries: readonly CallerEntry[], now: () => number = () => Date.now()): Callers {
  const index = indexCallers(entries);
  const state = { valid: true, sinceMs: now(), callers: index.byId.size };
  return {
    find: (key) => findHolder(index, key, now()),
    hasExpired: (key) => heldBefore(index, key),
    byId: (id) => index.byId.get(id),
    list: () => index.listed,
    file: () => state,
    close: () => {},
  };
}
