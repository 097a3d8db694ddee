import { hash, timingSafeEqual } from 'node:crypto';
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { Ajv } from 'ajv';
import { type Static, Type } from 'typebox';
import { countriesFault } from './recipients/countries.ts';

export const scopes = [
  'contacts:read',
  'contacts:write',
  'conversations:read',
  'conversations:write',
  'messages:read',
  'messages:send',
  'messages:urgent',
  'broadcasts:send',
  'templates:read',
  'media:read',
  'connections:read',
  'connections:write',
  'native:call',
  'metrics:read',
  'operations:read',
  'operations:write',
  'operations:reveal',
] as const;
export type Scope = (typeof scopes)[number];

export const CallerEntry = Type.Object(
  {
    id: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' })),
    name: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' }),
    keySha256: Type.Array(Type.String({ pattern: '^[0-9a-f]{64}$' }), { minItems: 1 }),
    scopes: Type.Array(Type.Enum([...scopes, '*'])),
    connections: Type.Array(Type.String({ minLength: 1 })),
    weight: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 100 })),
    ratePerSecond: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 100_000 })),
    countries: Type.Optional(Type.Array(Type.String({ pattern: '^[A-Z]{2}$' }), { minItems: 1 })),
  },
  { additionalProperties: false },
);

/** Another internal service (contract 1): known by name, holding one or more keys. */
export type Caller = Omit<Static<typeof CallerEntry>, 'keySha256' | 'id'> & {
  /** Records belong to it, and it never changes; the name, where the entry gives none. */
  readonly id: string;
};

/** A caller, and its keys by the names that may be told: `keyIdOf` of each. */
export interface ListedCaller {
  readonly caller: Caller;
  readonly keyIds: readonly string[];
}

/** Who calls, by key. A test hands in a fixed one; the server the one that follows its file. */
export interface Callers {
  /** The caller that holds this key. Takes the same time whichever key it is, right or wrong. */
  find(key: string): Caller | undefined;
  /** The caller of this id as its entry stands now; undefined: it was removed. For what is done later on its behalf. */
  byId(id: string): Caller | undefined;
  /** Every entry as it stands now, in the order of the file. */
  list(): readonly ListedCaller[];
  close(): void;
}

export const mayUse = (caller: Pick<Caller, 'connections'>, connection: string): boolean =>
  caller.connections.includes('*') || caller.connections.includes(connection);

export const hasScope = (caller: Pick<Caller, 'scopes'>, scope: Scope): boolean =>
  caller.scopes.includes('*') || caller.scopes.includes(scope);

const validate = new Ajv({ allErrors: true, meta: false, validateSchema: false }).compile<Static<typeof CallerEntry>[]>(
  Type.Array(CallerEntry),
);

/** The text of a callers file -> its entries; throws an Error that names every fault and quotes no hash. */
export function parseCallers(text: string): Static<typeof CallerEntry>[] {
  let entries: unknown;
  try {
    entries = JSON.parse(text);
  } catch {
    throw new Error('it is not JSON');
  }
  if (!validate(entries)) {
    const faults = (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath || '/'} ${message}`);
    throw new Error(faults.join('; '));
  }
  for (const { name, countries } of entries) {
    const fault = countriesFault(countries ?? []);
    if (fault !== undefined) throw new Error(`countries of ${name}: ${fault}`);
  }
  const names = entries.map((entry) => entry.name);
  const hashes = entries.flatMap((entry) => entry.keySha256);
  if (new Set(names).size < names.length) throw new Error('two entries have the same name');
  if (new Set(hashes).size < hashes.length) throw new Error('the same key stands twice');
  return entries;
}

/** The entries of one version of the file, ready to be looked up. */
interface Index {
  readonly keys: readonly { digest: Buffer; caller: Caller }[];
  readonly byId: ReadonlyMap<string, Caller>;
  readonly listed: readonly ListedCaller[];
}

function toIndex(entries: Static<typeof CallerEntry>[]): Index {
  const found = entries.map(({ keySha256, id, ...entry }) => {
    const caller: Caller = { ...entry, id: id ?? entry.name };
    return { caller, keySha256 };
  });
  return {
    keys: found.flatMap(({ caller, keySha256 }) =>
      keySha256.map((hex) => ({ digest: Buffer.from(hex, 'hex'), caller })),
    ),
    byId: new Map(found.map(({ caller }) => [caller.id, caller])),
    listed: found.map(({ caller, keySha256 }) => ({ caller, keyIds: keySha256.map(shortened) })),
  };
}

/** Enough to tell the keys of a caller apart, and too little to look one up. */
const shortened = (hex: string): string => hex.slice(0, 8);

/** The name of a key in the log and in what operators see: the first eight digits of its SHA-256. */
export const keyIdOf = (key: string): string => shortened(hash('sha256', key));

function findIn({ keys }: Index, key: string): Caller | undefined {
  const digest = hash('sha256', key, 'buffer');
  let found: Caller | undefined;
  // Every entry is compared, so that the time tells nothing about which one matched.
  for (const entry of keys) if (timingSafeEqual(entry.digest, digest)) found = entry.caller;
  return found;
}

/** The entry of a caller with this key. Throws where a name, scope or rate breaks the rules of the file. */
export function callerEntry(name: string, key: string, granted: readonly string[], rest: object = {}) {
  const entry = { name, keySha256: [hash('sha256', key)], scopes: granted, connections: ['*'], ...rest };
  const [checked] = parseCallers(JSON.stringify([entry]));
  if (!checked) throw new Error('no entry');
  return checked;
}

export function fixedCallers(entries: Static<typeof CallerEntry>[]): Callers {
  const index = toIndex(entries);
  return {
    find: (key) => findIn(index, key),
    byId: (id) => index.byId.get(id),
    list: () => index.listed,
    close: () => {},
  };
}

/**
 * Callers from a file, followed by polling: a mounted Kubernetes secret is swapped by a symbolic link, which file events
 * miss. A version that cannot be read keeps the old one; `onChange` hears of both. Throws if the first cannot be read.
 */
export function callersFromFile(
  path: string,
  onChange: (change: { callers: number } | { error: Error }) => void,
  intervalMs = 1_000,
): Callers {
  const read = () => toIndex(parseCallers(readFileSync(path, 'utf8')));
  let index = read();
  const listener = () => {
    try {
      index = read();
      onChange({ callers: index.byId.size });
    } catch (error) {
      onChange({ error: error instanceof Error ? error : new Error(String(error)) });
    }
  };
  watchFile(path, { interval: intervalMs, persistent: false }, listener);
  return {
    find: (key) => findIn(index, key),
    byId: (id) => index.byId.get(id),
    list: () => index.listed,
    close: () => unwatchFile(path, listener),
  };
}
